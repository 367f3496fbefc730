/** What a model wrote, drawn. Loaded by the pages that show answers, not with the first page. */
import { memo, useRef } from "react";
import { GrowingBlocks, htmlOf } from "./markdown";

const Block = memo(function Block({ text }: { text: string }) {
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
