// The peer of the benchmark: a callout service on the reference library for Go. It checks the same signatures as ours
// (request, RS256 token) and makes the same two (user JWT, response), sealed, with fixed permissions; it reads no
// grants and keeps no record.
package main

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	callout "github.com/synadia-io/callout.go"
)

type quiet struct{}

func (quiet) Noticef(string, ...any) {}
func (quiet) Warnf(string, ...any)   {}
func (quiet) Fatalf(string, ...any)  {}
func (quiet) Errorf(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
}
func (quiet) Debugf(string, ...any) {}
func (quiet) Tracef(string, ...any) {}

type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience any    `json:"aud"`
	Expires  int64  `json:"exp"`
}

func main() {
	url := flag.String("nats", "", "address of nats-server")
	passwordFile := flag.String("password-file", "", "password of the user auth")
	issuerFile := flag.String("issuer-seed-file", "", "seed of the issuer")
	xkeyFile := flag.String("xkey-seed-file", "", "seed of the xkey")
	issuer := flag.String("oidc-issuer", "", "issuer of the tokens")
	flag.Parse()

	keys := must(fetchKeys(*issuer))
	signer := must(nkeys.FromSeed(read(*issuerFile)))
	xkey := must(nkeys.FromSeed(read(*xkeyFile)))
	nc := must(nats.Connect(*url, nats.UserInfo("auth", string(read(*passwordFile)))))

	authorize := func(request *jwt.AuthorizationRequest) (string, error) {
		token, err := verify(request.ConnectOptions.Token, *issuer, keys)
		if err != nil {
			return "", err
		}
		user := jwt.NewUserClaims(request.UserNkey)
		user.Name = token.Subject
		user.Audience = "APP"
		user.Expires = time.Now().Add(time.Hour).Unix()
		user.Pub.Allow.Add("events." + token.Subject + ".>")
		user.Sub.Allow.Add("requests."+token.Subject+".* workers", "_INBOX."+token.Subject+".>")
		return user.Encode(signer)
	}
	_ = must(callout.NewAuthorizationService(nc, callout.Authorizer(authorize), callout.ResponseSignerKey(signer),
		callout.EncryptionKey(xkey), callout.Logger(quiet{}), callout.AsyncWorkers(runtime.NumCPU())))
	must(0, nc.Flush())
	fmt.Println("ready")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}

func verify(token, issuer string, keys map[string]*rsa.PublicKey) (*claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWS")
	}
	var header struct{ Alg, Kid string }
	if err := decode(parts[0], &header); err != nil {
		return nil, err
	}
	key := keys[header.Kid]
	if header.Alg != "RS256" || key == nil {
		return nil, errors.New("no such key")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		return nil, err
	}
	var found claims
	if err := decode(parts[1], &found); err != nil {
		return nil, err
	}
	if found.Issuer != issuer || found.Expires <= time.Now().Unix() {
		return nil, errors.New("another issuer, or expired")
	}
	return &found, nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func fetchKeys(issuer string) (map[string]*rsa.PublicKey, error) {
	var metadata struct {
		JwksURI string `json:"jwks_uri"`
	}
	if err := get(issuer+"/.well-known/openid-configuration", &metadata); err != nil {
		return nil, err
	}
	var set struct{ Keys []struct{ Kid, N, E string } }
	if err := get(metadata.JwksURI, &set); err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{}
	for _, key := range set.Keys {
		modulus, err := base64.RawURLEncoding.DecodeString(key.N)
		if err != nil {
			return nil, err
		}
		exponent, err := base64.RawURLEncoding.DecodeString(key.E)
		if err != nil {
			return nil, err
		}
		keys[key.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
	}
	return keys, nil
}

func get(url string, into any) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}

func read(name string) []byte {
	return []byte(strings.TrimSpace(string(must(os.ReadFile(name)))))
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}
