import * as fc from 'fast-check';

/** A request as it goes over the wire. */
export interface WireRequest {
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether the specification allows it. */
  readonly valid: boolean;
  /** What was asked for, where the body is JSON that was made from the schema. */
  readonly value?: unknown;
}

/** The part of JSON Schema that the requests of the specification are written in. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly contentMediaType?: string;
}

export interface RequestBody {
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
}

/** Texts as people, machines and attackers write them. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    '\ud800',
    '\u202e\u200b',
    'I am not happy',
    '气死我了！',
    '😭😭',
  ),
  fc.constantFrom('__proto__', '<script>alert(1)</script>', "'; DROP TABLE posts; --", '../../etc'),
  fc.integer({ min: 200, max: 4000 }).map((length) => '很'.repeat(length)),
);

/** Values that a schema allows. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const options = schema.oneOf ?? schema.anyOf;
  if (options) return fc.oneof(...options.map(valuesOf));
  if (Array.isArray(schema.type)) {
    return fc.oneof(...schema.type.map((type) => valuesOf({ ...schema, type: String(type) })));
  }
  switch (schema.type) {
    case 'string':
      return text;
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'integer':
      return fc.integer();
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), {
        maxLength: Math.min(8, schema.maxItems ?? 8),
      });
    case 'object': {
      const properties = Object.entries(schema.properties ?? {});
      return fc.record(
        Object.fromEntries(properties.map(([name, property]) => [name, valuesOf(property)])),
        { requiredKeys: [...(schema.required ?? [])] },
      );
    }
    default:
      throw new Error(`the generator does not know the schema ${JSON.stringify(schema)}`);
  }
}

/** Values that break one thing of a schema. */
function brokenValuesOf(schema: Schema): fc.Arbitrary<unknown> {
  const other = fc.jsonValue({ maxDepth: 2 });
  if (schema.type !== 'object') return other;
  const properties = Object.entries(schema.properties ?? {});
  return fc.oneof(
    other,
    ...(schema.required ?? []).map((name) =>
      valuesOf(schema).map((value) => ({ ...(value as object), [name]: undefined })),
    ),
    ...properties.map(([name, property]) =>
      fc
        .tuple(valuesOf(schema), brokenValuesOf(property))
        .map(([value, broken]) => ({ ...(value as object), [name]: broken })),
    ),
  );
}

const BOUNDARY = 'a-boundary';

/** A form (RFC 7578); `flaw` is something that a broken client does. */
function form(parts: readonly (readonly [string, Buffer])[], flaw = ''): Buffer {
  const chunks = parts.flatMap(([name, value]) => [
    Buffer.from(
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"; filename="f"\r\n\r\n`,
    ),
    value,
    Buffer.from('\r\n'),
  ]);
  const whole = Buffer.concat([...chunks, Buffer.from(`--${BOUNDARY}--\r\n`)]);
  if (flaw === 'cut') return whole.subarray(0, Math.floor(whole.length / 2));
  if (flaw === 'unclosed') return Buffer.concat(chunks);
  return whole;
}

/** What makes JSON's requests: from the schema, against it, and no JSON at all. */
function jsonRequests(
  schema: Schema,
  isValid: (value: unknown) => boolean,
): fc.Arbitrary<WireRequest> {
  const headers = fc.constantFrom(
    { 'content-type': 'application/json' },
    { 'content-type': 'Application/JSON; charset=utf-8' },
  );
  const asJson = (values: fc.Arbitrary<unknown>) =>
    fc.tuple(values, headers).map(([made, sent]) => {
      const body = JSON.stringify(made) ?? '';
      const value: unknown = body === '' ? undefined : JSON.parse(body);
      const valid = body !== '' && isValid(value);
      return { query: '', headers: sent, body: Buffer.from(body), valid, ...(valid && { value }) };
    });
  const broken = fc
    .tuple(valuesOf(schema), headers, fc.nat(40), fc.uint8Array({ maxLength: 30 }))
    .map(([value, sent, cut, junk]) => {
      const json = Buffer.from(JSON.stringify(value));
      const body = cut % 2 ? json.subarray(0, -1 - (cut % json.length)) : Buffer.from(junk);
      let valid = false;
      try {
        const decoded = new TextDecoder('utf-8', { fatal: true }).decode(body);
        valid = isValid(JSON.parse(decoded));
      } catch {
        // no JSON, as it should be
      }
      return { query: '', headers: sent, body, valid };
    });
  return fc.oneof(asJson(valuesOf(schema)), asJson(brokenValuesOf(schema)), broken);
}

/** Requests of other types, in whose bodies anything may stand; `files` are some that are usable. */
function fileRequests(
  type: string,
  schema: Schema,
  files: readonly Buffer[],
): fc.Arbitrary<WireRequest> {
  const file = fc.oneof(
    fc.constantFrom(...files),
    fc
      .constantFrom(...files)
      .chain((whole) => fc.nat(whole.length).map((length) => whole.subarray(0, length))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  );
  if (type !== 'multipart/form-data') {
    const contentType = type.replace('*', 'x-whatever');
    return file.map((body) => ({
      query: '',
      headers: { 'content-type': contentType },
      body,
      valid: body.length > 0,
    }));
  }
  const names = [...Object.keys(schema.properties ?? {}), 'other', 'file"; x="'];
  return fc
    .tuple(
      fc.array(fc.tuple(fc.constantFrom(...names), file), { maxLength: 3 }),
      fc.constantFrom('', '', '', 'cut', 'unclosed', 'no boundary'),
    )
    .map(([parts, flaw]) => ({
      query: '',
      headers: {
        'content-type':
          flaw === 'no boundary' ? type : `multipart/form-data; boundary="${BOUNDARY}"`,
      },
      body: form(parts, flaw),
      // Which parts go together is said in words, so the answer alone is held to the specification.
      valid: false,
    }));
}

/** What no description of a body can allow. */
const nonsense: fc.Arbitrary<WireRequest> = fc
  .tuple(
    fc.constantFrom<Record<string, string>>(
      {},
      { 'content-type': 'application/xml' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': ';;;' },
      { 'content-type': 'multipart/form-data' },
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      { 'content-type': 'text/plain', 'content-encoding': 'br' },
    ),
    fc.constantFrom('', '<a/>', 'text=a', '{"text":"a"}', '\u0000'),
  )
  .map(([headers, body]) => ({ query: '', headers, body: Buffer.from(body), valid: false }));

/**
 * Requests for an operation of the specification, some as it wants them and some not.
 *
 * @param isValid holds a value against the schema of JSON bodies
 * @param files usable ones, for bodies that are files
 */
export function requestsFor(
  {
    requestBody,
    parameters = [],
  }: { requestBody?: RequestBody; parameters?: readonly Parameter[] },
  isValid: (value: unknown) => boolean,
  files: readonly Buffer[],
): fc.Arbitrary<WireRequest> {
  const name = fc.oneof(text, fc.constantFrom('text-bilstm', '/etc/passwd', '..', 'a,b'));
  const query = fc.oneof(
    { weight: 3, arbitrary: fc.constant('') },
    ...parameters
      .filter((parameter) => parameter.in === 'query')
      .flatMap((parameter) => [
        name.map(
          (value) =>
            `?${parameter.name}=${encodeURIComponent(Buffer.from(value.slice(0, 99)).toString())}`,
        ),
        fc.constantFrom(`?${parameter.name}`, `?${parameter.name}=a&${parameter.name}=b`),
        fc.constantFrom(
          `?${parameter.name}[x]=1`,
          `?__proto__[${parameter.name}]=x`,
          '?%',
          '?a=%ff',
        ),
      ]),
  );
  const bodies: fc.Arbitrary<WireRequest>[] = requestBody
    ? [
        ...Object.entries(requestBody.content).map(([type, { schema }]) =>
          type === 'application/json'
            ? jsonRequests(schema, isValid)
            : type === 'text/plain'
              ? text.map((value) => ({
                  query: '',
                  headers: { 'content-type': 'text/plain' },
                  body: Buffer.from(value),
                  valid: true,
                }))
              : fileRequests(type, schema, files),
        ),
        nonsense,
      ]
    : [fc.constant({ query: '', headers: {}, body: Buffer.alloc(0), valid: true })];
  return fc.tuple(fc.oneof(...bodies), query).map(([request, asked]) => ({
    ...request,
    query: asked,
    // What a failing test shows: the start of a body as text, not all of it as numbers.
    [fc.toStringMethod]: () =>
      JSON.stringify({
        query: asked,
        headers: request.headers,
        bytes: request.body.length,
        body: request.body.subarray(0, 500).toString('latin1'),
      }),
  }));
}
