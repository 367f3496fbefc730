import { expect, test } from "vitest";
import { asApiError, errorOf } from "./errors";

test("an envelope becomes its code, message, fields and request id", async () => {
  const details = [{ "@type": "type.googleapis.com/google.rpc.BadRequest", field_violations: [{ field: "config.served_entities", description: "is required" }] }];
  const body = JSON.stringify({ error_code: "INVALID_PARAMETER_VALUE", message: "is required", details });
  const error = await errorOf(new Response(body, { status: 400, headers: { "x-request-id": "r-1", "retry-after": "3" } }));
  expect(error).toMatchObject({ status: 400, code: "INVALID_PARAMETER_VALUE", requestId: "r-1", retryAfter: 3 });
  expect(error.faults).toEqual([{ field: "config.served_entities", description: "is required" }]);
});

test("a proxy's page is an error with its status", async () => {
  const error = await errorOf(new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
  expect(error).toMatchObject({ status: 502, code: "HTTP_502", message: "Bad Gateway" });
});

test("a server that is away is told from a defect of the page", () => {
  expect(asApiError(new TypeError("Failed to fetch")).code).toBe("NETWORK");
  expect(asApiError(new RangeError("x")).code).toBe("UNEXPECTED");
});
