import { expect, test } from "vitest";
import { readAt, reference, referenceOf, writeAt } from "./paths";

test("a nested setting is written without touching what is beside it, and leaves nothing empty", () => {
  const settings = { url: "x", auth: { key: "k" } };
  const written = writeAt(settings, "auth.value_plaintext", "v");
  expect(written).toEqual({ url: "x", auth: { key: "k", value_plaintext: "v" } });
  expect(settings).toEqual({ url: "x", auth: { key: "k" } });
  expect(readAt(written, "auth.value_plaintext")).toBe("v");
  expect(writeAt(settings, "auth.key", undefined)).toEqual({ url: "x" });
});

test("a reference is read as it is written, and nothing else is one", () => {
  expect(referenceOf(reference("prod", "openai"))).toEqual({ scope: "prod", key: "openai" });
  for (const other of ["sk-x", "{{secrets/a}}", "x{{secrets/a/b}}", undefined]) expect(referenceOf(other)).toBeNull();
});
