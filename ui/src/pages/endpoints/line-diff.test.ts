import { expect, test } from "vitest";
import { around, diffLines } from "./line-diff";

const text = (lines: ReturnType<typeof diffLines>, kinds: string[]) => lines.filter((line) => kinds.includes(line.kind)).map((line) => line.text).join("\n");

test("a diff has both texts in it", () => {
  const [before, after] = ["a\nb\nc\nd", "a\nx\nc\nd\ne"];
  const lines = diffLines(before, after);
  expect(text(lines, ["same", "del"])).toBe(before);
  expect(text(lines, ["same", "add"])).toBe(after);
  expect(lines.filter((line) => line.kind === "same")).toHaveLength(3);
});

test("only what is near a change is shown", () => {
  const before = Array.from({ length: 40 }, (_, index) => `line ${index}`).join("\n");
  const shown = around(diffLines(before, before.replace("line 20", "other")));
  expect(shown[0]).toBeNull();
  expect(shown.at(-1)).toBeNull();
  expect(shown).toHaveLength(10);
  expect(around(diffLines("a", "a"))).toEqual([null]);
});
