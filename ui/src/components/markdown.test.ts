// @vitest-environment jsdom
import { expect, test } from "vitest";
import { blocksOf, codeOf, GrowingBlocks, htmlOf } from "./markdown";

const ATTACKS = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt&#58;alert(1))",
  "[x](data:text/html;base64,PHNjcmlwdD4=)",
  "<svg><script>alert(1)</script></svg>",
  '<a href="vbscript:x">y</a>',
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
  "<form action=//evil><input name=x></form>",
  "<div style='background:url(//evil)'>x</div>",
  "<style>*{background:url(//evil)}</style>",
  "![x](https://evil.example/leak.png)",
  "![x](//evil.example/leak.png)",
  "<details open ontoggle=alert(1)>",
  "<a href='#' target=_self onclick=alert(1)>x</a>",
  "<base href=//evil>",
  "<link rel=stylesheet href=//evil>",
  "<template><script>alert(1)</script></template>",
];

test("nothing that a model writes can run, look different or call another host", () => {
  for (const attack of ATTACKS) {
    const box = document.createElement("div");
    box.innerHTML = htmlOf(attack);
    expect(box.querySelector("script, iframe, form, style, link, base, svg, math, template, object"), attack).toBeNull();
    for (const node of box.querySelectorAll("*")) {
      for (const { name, value } of node.attributes) {
        expect(name, attack).not.toMatch(/^(on|style|srcdoc|srcset|action)/);
        expect(value.trim(), attack).not.toMatch(/^(javascript|vbscript|data:text)/i);
      }
    }
    for (const image of box.querySelectorAll("img")) expect(image.getAttribute("src")).toMatch(/^data:image/);
  }
});

test("what people want of Markdown stays", () => {
  const html = htmlOf("# A\n\n- [x] done\n- **b** `c`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[d](https://example.com)\n\n```python\nprint(1)\n```");
  for (const wanted of ["<h1>A</h1>", "<strong>b</strong>", "<td>1</td>", 'rel="noopener noreferrer nofollow"', "language-python"]) expect(html).toContain(wanted);
});

const TEXT = "# Title\n\nSome *text*.\n\n```js\nlet a = 1;\n\nlet b;\n```\n\n1. one\n2. two\n\n   more of two\n\n> quoted\n\nLast.";

test("the pieces are the text", () => {
  expect(blocksOf(TEXT).join("")).toBe(TEXT);
});

test("a text that grows letter by letter has the pieces of the whole, and earlier pieces stay", () => {
  const growing = new GrowingBlocks();
  let blocks: string[] = [];
  for (let end = 1; end <= TEXT.length; end += 1) blocks = growing.blocks(TEXT.slice(0, end));
  expect(blocks.join("")).toBe(TEXT);
  expect(blocks.map(htmlOf).join("")).toBe(blocksOf(TEXT).map(htmlOf).join(""));
  expect(growing.blocks("Another").join("")).toBe("Another");
});

test("HTML is shown as text, but for tags without attributes that Markdown has no words for", () => {
  expect(htmlOf("H<sub>2</sub>O <img src=x onerror=alert(1)><br>")).toBe("<p>H<sub>2</sub>O &lt;img src=x onerror=alert(1)&gt;<br></p>\n");
  expect(htmlOf("<details>\n<b>x</b>\n</details>")).toContain("&lt;details&gt;\n<b>x</b>");
});

test("a fenced block is known as code from its first line on", () => {
  expect(codeOf("```python\nprint(1)\n```\n")).toEqual({ language: "python", code: "print(1)" });
  expect(codeOf("```\nx")).toEqual({ language: "", code: "x" });
  expect(codeOf("`x`")).toBeNull();
});
