/** What a model wrote, drawn. Loaded by the pages that show answers, not with the first page. */
import { memo, useRef } from "react";
import { useT } from "~/i18n";
import { CodeBlock } from "./copy";
import { codeOf, GrowingBlocks, htmlOf } from "./markdown";

const Block = memo(function Block({ text }: { text: string }) {
  const t = useT("components");
  const fenced = codeOf(text);
  if (fenced)
    return (
      <div className="block">
        <CodeBlock code={fenced.code} label={fenced.language || t.code} />
      </div>
    );
  return <div className="block" dangerouslySetInnerHTML={{ __html: htmlOf(text) }} />;
});

export default function Markdown({ text }: { text: string }) {
  const growing = useRef(new GrowingBlocks());
  return (
    <div className="markdown">
      {growing.current.blocks(text).map((block, index) => (
        <Block key={index} text={block} />
      ))}
    </div>
  );
}
