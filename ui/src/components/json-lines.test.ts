import { expect, test } from "vitest";
import { faultOf, lineOf } from "./json-lines";

const TEXT = JSON.stringify({ name: "a", config: { served_entities: [{ name: "x" }, { name: "y", "external_model": { provider: "openai" } }] } }, null, 2);

test("a field's line is found by its path", () => {
  const line = (path: string) => TEXT.split("\n")[(lineOf(TEXT, path) ?? 0) - 1];
  expect(line("config.served_entities[1].name")).toContain('"y"');
  expect(line("config.served_entities[1].external_model.provider")).toContain("openai");
});

test("a field that is missing stands at what should hold it", () => {
  expect(lineOf(TEXT, "config.served_entities[1].external_model.task")).toBe(lineOf(TEXT, "config.served_entities[1].external_model"));
  expect(lineOf(TEXT, "tags")).toBe(1);
});

test("what is no JSON has a line and no fields", () => {
  expect(faultOf('{\n  "a": 1,\n  b\n}')?.line).toBe(3);
  expect(lineOf("{", "a")).toBeNull();
  expect(faultOf(TEXT)).toBeNull();
});
