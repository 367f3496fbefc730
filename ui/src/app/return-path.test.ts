import { expect, test } from "vitest";
import { returnPath } from "./return-path";

test("signing in leads to a page of this site and nowhere else", () => {
  expect(returnPath("?return=%2Fcalls%3Fstatus%3Derror")).toBe("/calls?status=error");
  for (const bad of ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/signin?return=x", ""])
    expect(returnPath(`?return=${encodeURIComponent(bad)}`)).toBe("/endpoints");
});
