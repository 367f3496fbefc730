import { expect, test } from "vitest";
import { thresholdsOf } from "./thresholds";

test("percentages are read as people write them", () => {
  expect(thresholdsOf("80, 100")).toEqual([80, 100]);
  expect(thresholdsOf("50、90")).toEqual([50, 90]);
  expect(thresholdsOf("")).toEqual([]);
});

test("what is no percentage is no list", () => {
  for (const text of ["80, x", "0", "101", "1.5"]) expect(thresholdsOf(text)).toBeNull();
});
