import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

/** One operation, as the description has it. */
export interface ApiOperation {
  /** Path with its parameters in braces. */
  readonly path: string;
  /** In upper case. */
  readonly method: string;
  /** Statuses of its answers. */
  readonly statuses: readonly number[];
}

/** An OpenAPI description that answers are held against. */
export interface ApiDescription {
  readonly operations: readonly ApiOperation[];
  /** Every schema in it, wherever it stands, that describes an object. */
  readonly objectSchemas: readonly Readonly<Record<string, unknown>>[];
  /** The schema of a name. */
  schema(name: string): Readonly<Record<string, unknown>>;
  /** Tells whether a value fits the schema of a name. */
  fits(name: string, value: unknown): boolean;
  /**
   * Says what an answer has that the description does not; undefined when it is as described. What is described for
   * paths and methods beside the operations are the responses NotFound and MethodNotAllowed.
   */
  findMismatch(request: ApiRequest, answer: ApiAnswer): string | undefined;
}

/** What was asked. */
export interface ApiRequest {
  readonly method: string;
  /** Below the server's URL. */
  readonly pathname: string;
}

/** What was answered. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface DescribedResponse {
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape until its schemas are compiled
type Json = any;

/** Reads an OpenAPI 3.1 description. Its schemas are JSON Schema 2020-12. */
export function readApiDescription(path: string): ApiDescription {
  const document: Json = JSON.parse(readFileSync(path, "utf8"));
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, formats: { uri: URL.canParse } });
  ajv.addKeyword("components");
  ajv.addSchema({ $id: "api", components: document.components });
  const compiled = new Map<object, ValidateFunction>();
  const resolve = ({ $ref, ...value }: Json): Json =>
    $ref === undefined
      ? value
      : $ref
          .slice(2)
          .split("/")
          .reduce((within: Json, name: string) => within[name], document);
  const validate = (schema: object, value: unknown): string | undefined => {
    let check = compiled.get(schema);
    if (check === undefined) {
      check = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')));
      compiled.set(schema, check);
    }
    return check(value) ? undefined : ajv.errorsText(check.errors);
  };
  const schema = (name: string): Json => document.components.schemas[name];
  const paths = Object.entries<Json>(document.paths).map(([template, operations]) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
    operations,
  }));

  const responseOf = ({ method, pathname }: ApiRequest, status: number): DescribedResponse | undefined => {
    const { responses } = document.components;
    const elsewhere: Json = { 401: responses.Unauthenticated, 403: responses.AccessDenied, 500: responses.Internal };
    const operations = paths.find(({ pattern }) => pattern.test(pathname))?.operations;
    const operation = operations?.[method.toLowerCase()];
    const described =
      operation?.responses ??
      (operations === undefined
        ? { ...elsewhere, 400: responses.Malformed, 404: responses.NotFound, 503: responses.Unavailable }
        : { ...elsewhere, 400: responses.Malformed, 405: responses.MethodNotAllowed, 503: responses.Unavailable });
    return described[status] && resolve(described[status]);
  };

  return {
    operations: paths.flatMap(({ template, operations }) =>
      Object.entries<Json>(operations)
        .filter(([name]) => name !== "parameters")
        .map(([name, { responses }]) => ({
          path: template,
          method: name.toUpperCase(),
          statuses: Object.keys(responses).map(Number),
        })),
    ),
    objectSchemas: findObjectSchemas(document),
    schema,
    fits: (name, value) => validate(schema(name), value) === undefined,
    findMismatch(request, { status, headers, text }) {
      const described = responseOf(request, status);
      if (described === undefined) return `status ${status}`;
      for (const [name, reference] of Object.entries<Json>(described.headers ?? {})) {
        const header = resolve(reference);
        const value = headers.get(name);
        if (value === null ? header.required : validate(header.schema, value) !== undefined)
          return `header ${name}: ${value}`;
      }
      for (const name of ["allow", "retry-after", "www-authenticate"]) {
        if (headers.has(name) && described.headers?.[name] === undefined) return `header ${name}`;
      }
      const type = headers.get("content-type");
      if (request.method === "HEAD") return text === "" ? undefined : "a body";
      if (described.content === undefined) return text === "" && type === null ? undefined : `a body of ${type}`;
      const content = described.content[type ?? ""];
      return content === undefined ? `content-type ${type}` : validate(content.schema, JSON.parse(text));
    },
  };
}

function findObjectSchemas(value: Json): Readonly<Record<string, unknown>>[] {
  if (typeof value !== "object" || value === null) return [];
  const within = Object.values<Json>(value).flatMap(findObjectSchemas);
  return value.type === "object" ? [value, ...within] : within;
}
