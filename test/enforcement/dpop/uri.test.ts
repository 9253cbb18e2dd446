import { describe, expect, it } from 'vitest';
import { normaliseUri, targetPath } from '../../../src/enforcement/dpop-uri.ts';

describe('RFC 3986 §6.2.2, §6.2.3: two ways to write one target are equal', () => {
  it.each([
    ['case of scheme and host', 'HTTPS://API.Example/charges', 'https://api.example/charges'],
    ['the default port', 'https://api.example:443/charges', 'https://api.example/charges'],
    ['an empty port', 'https://api.example:/charges', 'https://api.example/charges'],
    ['the default port of http', 'http://api.example:80', 'http://api.example/'],
    ['an empty path', 'https://api.example', 'https://api.example/'],
    ['query and fragment', 'https://api.example/charges?a=1#b', 'https://api.example/charges'],
    ['a query without path', 'https://api.example?a', 'https://api.example/'],
    ['an encoded tilde', 'https://api.example/%7Eme', 'https://api.example/~me'],
    ['case of triplets', 'https://api.example/a%2fb', 'https://api.example/a%2Fb'],
    ['dot segments', 'https://api.example/a/./b/../c', 'https://api.example/a/c'],
    ['encoded dot segments', 'https://api.example/a/%2e%2E/c', 'https://api.example/c'],
    ['dot segments beyond the root', 'https://api.example/../../c', 'https://api.example/c'],
    ['a last dot segment', 'https://api.example/a/b/..', 'https://api.example/a/'],
    ['an IPv6 address', 'http://[::1]:8080/a', 'http://[::1]:8080/a'],
  ])('%s', (_, some, other) => {
    expect(normaliseUri(some)).toBe(other);
    expect(normaliseUri(other)).toBe(other);
  });
});

describe('what must stay different', () => {
  it.each([
    ['an encoded slash', '/a%2Fb', '/a/b'],
    ['case of the path', '/A', '/a'],
    ['a final slash', '/a/', '/a'],
    ['double slashes', '//a', '/a'],
    ['dots within a name', '/a..b', '/a'],
    ['a doubly encoded dot', '/%252e%252e/a', '/a'],
  ])('%s', (_, some, other) => {
    expect(normaliseUri(`https://api.example${some}`)).not.toBe(normaliseUri(`https://api.example${other}`));
  });
});

it.each([
  'https://user@api.example/',
  'https://user:password@api.example/',
  'https://api.example\\@evil.example/',
  'https://api.example/a b',
  'https://api.example/%',
  'https://api.example/%zz',
  'https://api.example/ü',
  'https://api%2Eexample/',
  'https://api.example:99999999/',
  'ftp://api.example/',
  'javascript:alert(1)',
  '/charges',
  '//api.example/charges',
  '',
  `https://api.example/${'a'.repeat(9_000)}`,
])('is no target: %s', (uri) => {
  expect(normaliseUri(uri)).toBeUndefined();
});

it.each([
  ['/charges?x=1', '/charges?x=1'],
  ['//evil.example/charges', '//evil.example/charges'],
  ['https://evil.example/charges?x', '/charges?x'],
  ['https://evil.example', '/'],
  ['*', '/*'],
])('RFC 9112 §3.2: of the request target %s only %s counts', (target, path) => {
  expect(targetPath(target)).toBe(path);
});
