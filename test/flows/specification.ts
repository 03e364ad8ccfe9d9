import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';
import { expect } from 'chai';
import { parse } from 'yaml';
import { packageRoot } from '../../lib/models/package-root';
import type { Parameter, RequestBody } from './request-generator';

interface Media {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
  readonly headers?: Readonly<Record<string, { readonly required?: boolean }>>;
  readonly $ref?: string;
}
/** Answers that need settings of their own or a redeploy: http-guard.test.ts sees to them. */
const OF_SETTINGS = ['Unauthorized', 'TooOften', 'Redeployed', 'Unanswered', 'Unexpected'].map(
  (name) => `#/components/responses/${name}`,
);

export type Method = 'get' | 'post';
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: RequestBody;
  readonly responses: Readonly<Record<string, Media>>;
}
interface OpenApi {
  readonly paths: Readonly<Record<string, Partial<Record<Method, Operation>>>>;
  readonly components: {
    readonly responses: Readonly<Record<string, Media>>;
    readonly schemas: Readonly<Record<string, object>>;
  };
}

/** What a path answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** `docs/openapi.yaml`, to hold real answers against. */
export class Specification {
  /** The answers of the paths under test that no request has had. */
  readonly unseen: Set<string>;
  readonly #openApi: OpenApi;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  /** @param paths the paths that this suite is to see every answer of, all methods or as `get /emotion` */
  constructor(paths: readonly string[]) {
    this.#openApi = parse(
      readFileSync(join(packageRoot(), 'docs/openapi.yaml'), 'utf8'),
    ) as OpenApi;
    this.#ajv.addSchema({ $id: 'https://emotion.test/openapi', ...this.#openApi });
    this.unseen = new Set(
      Object.entries(this.#openApi.paths).flatMap(([path, methods]) =>
        Object.entries(methods)
          .filter(([method]) => paths.includes(path) || paths.includes(`${method} ${path}`))
          .flatMap(([method, { responses }]) =>
            Object.entries(responses)
              .filter(([, { $ref = '' }]) => !OF_SETTINGS.includes($ref))
              .map(([status]) => `${method} ${path} ${status}`),
          ),
      ),
    );
  }

  /** All that it describes, as `get /emotion`. */
  get routes(): string[] {
    return Object.entries(this.#openApi.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
  }

  /** What a path takes and answers; references within its request bodies are resolved. */
  operation(method: Method, path: string): Operation {
    const operation = this.#openApi.paths[path]?.[method];
    if (!operation) throw new Error(`${method} ${path} is not in docs/openapi.yaml`);
    const { requestBody } = operation;
    return requestBody ? { ...operation, requestBody: this.#resolved(requestBody) } : operation;
  }

  /** A part of the specification with what its references stand for. */
  #resolved<T>(part: T): T {
    if (Array.isArray(part)) return part.map((item) => this.#resolved<unknown>(item)) as T;
    if (typeof part !== 'object' || part === null) return part;
    const { $ref } = part as { $ref?: string };
    if ($ref?.startsWith('#/components/schemas/')) {
      const name = $ref.replace('#/components/schemas/', '');
      return this.#resolved(this.#openApi.components.schemas[name]) as T;
    }
    return Object.fromEntries(
      Object.entries(part).map(([key, value]) => [key, this.#resolved<unknown>(value)]),
    ) as T;
  }

  /** Holds a value against the schema of JSON bodies; where there is none, nothing is valid. */
  validatorOf(body: RequestBody | undefined): (value: unknown) => boolean {
    const json = body?.content['application/json'];
    return json ? this.#validator(json.schema) : () => false;
  }

  /**
   * Sends a request and holds the answer against the specification.
   *
   * @param path of the specification; `query` is added to it
   */
  async request(
    url: string,
    method: Method,
    path: string,
    init: RequestInit = {},
    query = '',
  ): Promise<Answer> {
    const response = await fetch(`${url}${path}${query}`, {
      method: method.toUpperCase(),
      ...init,
    });
    const { status, headers } = response;
    const text = await response.text();
    const { content = {}, headers: promised = {} } = this.#answerOf(method, path, status);
    const type = headers.get('content-type')?.split(';')[0] ?? '';
    expect(Object.keys(content), `${method} ${path} ${status}: ${text}`).to.include(type);
    const body: unknown = type.startsWith('text/') ? text : JSON.parse(text);
    const validate = this.#validator(content[type]!.schema);
    expect(validate(body), JSON.stringify(validate.errors?.slice(0, 3))).to.equal(true);
    for (const [name, { required }] of Object.entries(promised)) {
      if (required) expect(headers.get(name), name).not.to.equal(null);
    }
    this.unseen.delete(`${method} ${path} ${status}`);
    return { status, headers, body };
  }

  #answerOf(method: Method, path: string, status: number): Media {
    const answer = this.#openApi.paths[path]?.[method]?.responses[status];
    expect(answer, `${method} ${path} ${status} in docs/openapi.yaml`).not.to.equal(undefined);
    const name = answer?.$ref?.replace('#/components/responses/', '');
    return name ? this.#openApi.components.responses[name]! : answer!;
  }

  #validator(schema: object): ValidateFunction {
    const text = JSON.stringify(schema).replaceAll('"#/', '"https://emotion.test/openapi#/');
    return this.#ajv.compile(JSON.parse(text) as object);
  }
}
