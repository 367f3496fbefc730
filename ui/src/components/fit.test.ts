import { expect, test } from "vitest";
import { fit } from "./fit";

test("letters in order fit, and a whole word fits better", () => {
  expect(fit("spb", "support-bot")).not.toBeNull();
  expect(fit("xyz", "support-bot")).toBeNull();
  expect(fit("bot", "support-bot") ?? 99).toBeLessThan(fit("spb", "support-bot") ?? 0);
});
