module nats-spanner-callout/bench/go-responder

go 1.25.0

require (
	github.com/nats-io/jwt/v2 v2.8.2
	github.com/nats-io/nats.go v1.52.0
	github.com/nats-io/nkeys v0.4.16
	github.com/synadia-io/callout.go v0.2.3
)
