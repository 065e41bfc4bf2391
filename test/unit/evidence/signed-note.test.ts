import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { generateSignerKey, isNoteKeyName, parseSignerKey, parseVerifierKey } from '../../../src/evidence/note-key.ts'
import type { SignerKey, VerifierKey } from '../../../src/evidence/note-key.ts'
import { openNote, signNote } from '../../../src/evidence/signed-note.ts'

/** The example of the package golang.org/x/mod/sumdb/note (BSD-3-Clause), which the form comes from. */
const SIGNER = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz'
const VERIFIER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
const NOTE = `${TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`

function signer(text = SIGNER): SignerKey {
  const key = parseSignerKey(text)
  assert.ok(key)
  return key
}

function verifier(text = VERIFIER): VerifierKey {
  const key = parseVerifierKey(text)
  assert.ok(key)
  return key
}

suite('a signed note', () => {
  test('is the one that Go makes of the same text and key', () => {
    assert.equal(signer().verifier.text, VERIFIER)
    assert.equal(signNote(TEXT, signer()), NOTE)
    assert.equal(openNote(NOTE, verifier()), TEXT)
  })

  test('of which any character was changed is none, or says the same', () => {
    fc.assert(
      fc.property(
        fc.nat(NOTE.length - 1),
        fc.constantFrom('a', 'Z', '0', '+', '/', '=', '\n', ' ', '—'),
        (at, character) => {
          const changed = NOTE.slice(0, at) + character + NOTE.slice(at + 1)
          const text = openNote(changed, verifier())
          assert.ok(text === undefined || text === TEXT)
        },
      ),
    )
  })

  test('is that of a key if one of its signatures is', () => {
    const other = signer(generateSignerKey('other'))
    const both = `${NOTE}${signNote(TEXT, other).slice(TEXT.length + 1)}`
    assert.equal(openNote(both, verifier()), TEXT)
    assert.equal(openNote(both, other.verifier), TEXT)
  })

  test('is not that of another key of the same name, or of the same key under another name', () => {
    const namesake = signer(generateSignerKey('PeterNeumann'))
    assert.equal(openNote(NOTE, namesake.verifier), undefined)
    assert.equal(openNote(NOTE, { ...verifier(), name: 'other' }), undefined)
  })

  test('without a signature, an empty line or an end is none', () => {
    for (const note of ['', TEXT, `${TEXT}\n`, NOTE.slice(0, -1), `${NOTE}x\n`, NOTE.replace('\n\n', '\n')]) {
      assert.equal(openNote(note, verifier()), undefined, JSON.stringify(note))
    }
  })

  test('is made of whole lines only', () => {
    assert.throws(() => signNote('no line feed', signer()), TypeError)
  })
})

suite('a key of notes', () => {
  test('is read as it was made', () => {
    const text = generateSignerKey('callout.example/audit')
    const { verifier: made } = signer(text)
    assert.equal(made.name, 'callout.example/audit')
    assert.equal(parseVerifierKey(made.text)?.id, made.id)
  })

  test('that is damaged, of another kind or with another id is none', () => {
    const [, , , id = '', key = ''] = SIGNER.split('+')
    for (const text of [
      '',
      VERIFIER,
      SIGNER.replace(id, '00000000'),
      SIGNER.replace('PeterNeumann', 'Peter Neumann'),
      SIGNER.replace(key, `B${key.slice(1)}`),
      SIGNER.slice(0, -4),
      `${SIGNER}\n`,
    ]) {
      assert.equal(parseSignerKey(text), undefined, text)
    }
    for (const text of ['', SIGNER, VERIFIER.replace('c74f20a3', 'c74f20a4'), VERIFIER.slice(0, -2)]) {
      assert.equal(parseVerifierKey(text), undefined, text)
    }
  })

  test('has a name that fits into a line', () => {
    for (const name of ['', 'a b', 'a+b', 'a\n', '/a', 'x'.repeat(129)]) {
      assert.equal(isNoteKeyName(name), false)
      assert.throws(() => generateSignerKey(name), TypeError)
    }
  })
})
