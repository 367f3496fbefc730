/** What the server says when it refuses: the one envelope of every route, read once, here. */

export interface FieldFault {
  /** The path in the body, as `config.served_entities[0].name`. */
  field: string;
  description: string;
}

/** A refusal by the server, or a server that does not answer (`status` 0, code `NETWORK`). */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null = null,
    readonly faults: FieldFault[] = [],
    /** Seconds after which it may be tried again, where the server said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

interface Envelope {
  error_code?: string;
  message?: string;
  details?: { field_violations?: FieldFault[] }[];
}

/** The error that an answer without success carries. Never throws: what cannot be read is still an error with its status. */
export async function errorOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get("x-request-id");
  const retryAfter = Number(response.headers.get("retry-after"));
  let told: Envelope = {};
  try {
    told = (await response.json()) as Envelope;
  } catch {
    // A proxy's page, or nothing: the status has to do.
  }
  return new ApiError(
    response.status,
    told.error_code ?? `HTTP_${response.status}`,
    told.message ?? (response.statusText || `HTTP ${response.status}`),
    requestId,
    (told.details ?? []).flatMap((detail) => detail.field_violations ?? []),
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  );
}

/** Any thrown thing as an ApiError. */
export function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiError(0, thrown instanceof TypeError ? "NETWORK" : "UNEXPECTED", message);
}
