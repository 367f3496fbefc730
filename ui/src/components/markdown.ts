/**
 * Markdown to HTML that can do no harm. What a model writes is as trustworthy as what a stranger writes.
 *
 * `blocks` cuts a text into pieces that are each rendered once: while an answer grows, only its last piece changes.
 */
import DOMPurify from "dompurify";
import { lexer, Marked } from "marked";

/** HTML that people write within Markdown, without attributes. */
const PLAIN_TAG = /<\/?(?:b|br|del|em|i|kbd|mark|s|strong|sub|sup)\s*\/?>/gi;

const marked = new Marked({
  gfm: true,
  breaks: false,
  async: false,
  // All other HTML is shown as the text that it is. The sanitiser would take it away as well, but the browser reads it for
  // the sanitiser, and reports each handler in it as an offence against the content security policy.
  renderer: { html: ({ text }) => escapedHtml(text) },
});

function escapedHtml(text: string): string {
  let shown = "";
  let from = 0;
  for (const tag of text.matchAll(PLAIN_TAG)) {
    shown += escaped(text.slice(from, tag.index)) + tag[0];
    from = tag.index + tag[0].length;
  }
  return shown + escaped(text.slice(from));
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  // An image elsewhere would tell its host who reads; only what is in the text itself is shown.
  if (node.tagName === "IMG" && !/^data:image\/(png|jpeg|gif|webp);base64,/i.test(node.getAttribute("src") ?? "")) node.remove();
});

const ALLOWED = {
  ALLOWED_TAGS: ["a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "input", "kbd", "li", "mark", "ol", "p", "pre", "s", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"],
  ALLOWED_ATTR: ["align", "alt", "checked", "class", "colspan", "disabled", "href", "rowspan", "src", "start", "title", "type"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#|data:image\/(?:png|jpeg|gif|webp);base64,)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

/** The HTML of one piece. */
export function htmlOf(text: string): string {
  return purify.sanitize(marked.parse(text) as string, ALLOWED);
}

/** The code of a piece that is a fenced block, be it complete or not; null: it is something else. */
export function codeOf(text: string): { language: string; code: string } | null {
  if (!/^ {0,3}(```|~~~)/.test(text)) return null;
  const token = lexer(text)[0];
  return token?.type === "code" ? { language: String(token["lang"] ?? "").split(/\s/)[0] ?? "", code: String(token["text"]) } : null;
}

/** The pieces of a text, in order; joined they are the text. Links by reference reach only within a piece. */
export function blocksOf(text: string): string[] {
  const found: string[] = [];
  for (const token of lexer(text)) {
    if (token.type === "space" && found.length) found[found.length - 1] += token.raw;
    else found.push(token.raw);
  }
  return found;
}

/**
 * The pieces of a growing text, without reading all of it each time: everything before the last two pieces stays.
 */
export class GrowingBlocks {
  private done: string[] = [];
  private read = 0;
  private before = "";

  blocks(text: string): string[] {
    if (!text.startsWith(this.before)) {
      this.done = [];
      this.read = 0;
    }
    this.before = text;
    const fresh = blocksOf(text.slice(this.read));
    const settled = fresh.slice(0, -2);
    for (const block of settled) this.read += block.length;
    this.done = [...this.done, ...settled];
    return [...this.done, ...fresh.slice(settled.length)];
  }
}
