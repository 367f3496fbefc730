import { expect, test } from "vitest";
import en from "./en";
import { formatFor } from "./format";
import ja from "./ja";

type Words = { [name: string]: string | Words | ((...given: never[]) => string) };

/** Every text of a dictionary by its path; functions are called with figures. */
function texts(words: Words, path = ""): [string, string][] {
  return Object.entries(words).flatMap(([name, value]): [string, string][] => {
    const here = path ? `${path}.${name}` : name;
    if (typeof value === "string") return [[here, value]];
    if (typeof value === "function") return [[here, called(value as (...given: unknown[]) => string)]];
    return texts(value, here);
  });
}

function called(text: (...given: unknown[]) => string): string {
  // Which of them are numbers and which are names is the compiler's to check.
  for (const given of [[1, 2, 3, 4], ["a", "b", "c", "d"], ["a", 2, 3], [["a"], 1, 1]]) {
    try {
      const said: unknown = text(...given);
      if (typeof said === "string") return said;
    } catch {
      // Another kind is wanted.
    }
  }
  return "called";
}

const english = new Map(texts(en as unknown as Words));
const japanese = new Map(texts(ja as unknown as Words));

test("both languages say the same things", () => {
  expect([...japanese.keys()].sort()).toEqual([...english.keys()].sort());
});

test("no text is empty", () => {
  for (const [path, text] of [...english, ...japanese]) expect(text.trim(), path).not.toBe("");
});

test("Japanese is Japanese", () => {
  // Names of products, formats and units are the same everywhere.
  const same = [...japanese].filter(([path, text]) => text === english.get(path) && /[a-z]{3}/.test(text) && !/^[A-Za-z0-9 ().,/:_-]{1,40}$|[@=]/.test(text));
  expect(same).toEqual([]);
  const left = [...japanese].filter(([, text]) => /\b(the|and|with|your|this)\b/i.test(text));
  expect(left).toEqual([]);
});

test("numbers and times follow the language", () => {
  const [one, other] = [formatFor("en"), formatFor("ja")];
  expect(one.compact(12_300)).toBe("12.3K");
  expect(other.compact(12_300)).toBe("1.2万");
  expect(one.ago(Date.now() - 185_000)).toBe("3 minutes ago");
  expect(other.ago(Date.now() - 185_000)).toBe("3 分前");
  expect(one.duration(1240)).toBe("1.24 sec");
  expect(one.bytes(98_400_000)).toBe("98.4 MB");
  expect(one.bytes(355)).toBe("355 bytes");
  expect(one.money(0.000123)).toBe("$0.000123");
});
