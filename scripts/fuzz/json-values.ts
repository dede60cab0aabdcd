/** Values as they stand in JSON, by the name of the member that may have them. */
export type Values = Readonly<Record<string, readonly string[]>>;

/** Values to be put where others are expected, as they stand in JSON. */
export const ODD_VALUES: readonly string[] = [
  ...["null", "true", "false", "0", "-0", "-1", "1", "1.5", "1e999", "-1e999", "1e308", "-1e308", "1e-999", "NaN"],
  ...["9007199254740993", "253402300800000", "01", "+1", "0x10", "Infinity", "undefined"],
  ...['""', '" "', '"x"', '"*"', '"null"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\ud83d\\udd11"', '"é"'],
  ...["[]", "[[]]", "[null]", '[""]', '["a",1]', '["admin"]', "{}", '{"":""}', '{"sub":"x"}', '{"sub":1}', '{"a":{}}'],
  ...['{"__proto__":{"roles":["admin"]}}', '{"toString":1}', '{"jkt":"x"}', '{"sub":"a","act":{"sub":"b"}}'],
  ...[`"${"x".repeat(300)}"`, `"${"x".repeat(7_000)}"`, `[${"0,".repeat(505)}0]`, `[${"0,".repeat(600)}0]`],
  ...[nested(10), nested(15), nested(16), nested(17), nested(2_000)],
];

/** Values that mean something in a header. */
export const HEADER_VALUES: Values = {
  alg: [
    "ES256",
    "EdDSA",
    "RS256",
    "none",
    "None",
    "HS256",
    "PS256",
    "ES384",
    "ES256K",
    "Ed25519",
    "ES256 ",
    "es256",
  ].map((name) => JSON.stringify(name)),
  kid: ['"test-key-1"', '"test-key-2"', '"test-key-1 "', '"__proto__"', '"\\u0074est-key-1"', '"../../dev/null"'],
  typ: ['"at+jwt"', '"AT+JWT"', '"application/at+jwt"', '"JWT"', '"dpop+jwt"', '"at+jwt "', '"application/JWT"'],
  crit: ['["exp"]', '["b64"]', "[]", '"exp"'],
  b64: ["false", "true"],
  zip: ['"DEF"'],
  enc: ['"A256GCM"'],
  cty: ['"JWT"', '"application/jwt"', '"json"', '"jwt"'],
  jwk: ['{"kty":"oct","k":"AAAA"}'],
  jku: ['"https://attacker.test/jwks"'],
  x5c: ['["AAAA"]'],
  ["__proto__"]: ['{"alg":"none"}'],
};

/** Values that mean something in a payload; each of the times is far from every limit. */
export function payloadValues(nowSeconds: number): Values {
  const times = [-90_000, -3_600, -60, 0, 60, 3_600, 86_000, 90_000].map((offset) => String(nowSeconds + offset));
  const issuers = ["es256", "eddsa", "rs256"].map((name) => `"https://${name}.test"`);
  return {
    iss: [
      ...issuers,
      '"https://es256.test/"',
      '"HTTPS://ES256.TEST"',
      `[${issuers.join(",")}]`,
      '"https:\\/\\/rs256.test"',
    ],
    aud: [
      '"https://service.test"',
      '["https://service.test"]',
      '"https://service.test/"',
      '["x","https://service.test"]',
    ],
    exp: [...times, `"${times[5]}"`, `${times[5]}.5`, `${times[5]}000`, `${Number(times[5]) / 1e9}e9`],
    nbf: [...times, `"${times[0]}"`],
    iat: [...times, `"${times[0]}"`],
    sub: ['"root"', '"al\\u0069ce"', '"alice "'],
    org: ['"globex"', '["acme"]', '"acm\\u0065"'],
    roles: ['["admin"]', '"admin"', '["tester",null]', '{"0":"admin","length":1}'],
    scope: ['"jobs.admin"', '["jobs.admin"]', '"a  b "', '{"a":1}'],
    principal_id: ['"p-2"', '""', "1"],
    cnf: ["{}", "null", '{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'],
    act: ['{"sub":"x"}', '{"sub":"x","act":{"sub":"y","iss":"z"}}', "null", "[]", '"x"'],
    jti: ['"x"', "1"],
    ["__proto__"]: ['{"roles":["admin"]}', "null"],
    constructor: ['"x"'],
  };
}

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}
