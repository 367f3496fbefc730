import { expect, test } from "vitest";
import { csvLine } from "./csv";

test("cells are quoted where they must be", () => {
  expect(csvLine(["a", 'say "hi"', "x,y", "two\nlines", null, 1.5, true])).toBe('a,"say ""hi""","x,y","two\nlines",,1.5,true\r\n');
  expect(csvLine([[{ entity: "a" }]])).toBe('"[{""entity"":""a""}]"\r\n');
});

test("no text is a formula to a spreadsheet, and numbers stay numbers", () => {
  expect(csvLine(["=1+1", "@x", "-a", -3])).toBe("'=1+1,'@x,'-a,-3\r\n");
});
