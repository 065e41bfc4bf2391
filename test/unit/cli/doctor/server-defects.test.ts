import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { defectsOf, SERVER_DEFECTS, SERVER_FLOORS } from '../../../../src/cli/doctor/server-defects.ts'

function sourcesOf(version: string): readonly string[] {
  return defectsOf(version)?.map(({ source }) => source) ?? []
}

suite('known defects of nats-server', () => {
  for (const version of [...SERVER_FLOORS, '2.12.15', '2.14.5', '2.15.0', '2.15.1', '2.16.0', '3.0.0', 'v2.15.1'])
    test(`${version} has none`, () => assert.deepEqual(defectsOf(version), []))

  for (const version of ['2.12.13', '2.14.3', '2.14.4-RC.1', '2.13.9', '2.11.17', '2.10.27', '2.9.10'])
    test(`${version} lets a client in without a callout`, () =>
      assert.equal(defectsOf(version)?.[0], SERVER_DEFECTS[0]))

  test('the oldest with auth callout has all of them', () =>
    assert.equal(defectsOf('2.10.0')?.length, SERVER_DEFECTS.length))

  test('a fix in the patch of its own series counts, of another does not', () => {
    assert.ok(!sourcesOf('2.10.28').includes('nats-server 2.10.28, auth_callout.go client_info.user'))
    assert.ok(!sourcesOf('2.11.2').includes('nats-server 2.10.28, auth_callout.go client_info.user'))
    assert.ok(sourcesOf('2.11.1').includes('nats-server 2.10.28, auth_callout.go client_info.user'))
  })

  test('a development version of a series without the defects has none', () =>
    assert.deepEqual(defectsOf('2.15.0-dev'), []))

  for (const text of ['', '2.15', 'latest', '2.15.1 ', '2.15.1\n', '99999.0.0'])
    test(`${JSON.stringify(text)} is no version`, () => assert.equal(defectsOf(text), undefined))

  test('every entry names fixed versions in rising order and a source', () => {
    for (const { what, fixedIn, source } of SERVER_DEFECTS) {
      assert.ok(what.length > 0 && source.length > 0)
      assert.ok(fixedIn.every((version) => /^\d+\.\d+\.\d+$/.test(version)))
    }
  })
})
