/** What became of a request's fields on the way to the provider, as the header tells it. */
import { translationOf } from "~/api/invocations";
import { Badge, type Tone } from "~/components/Badge";
import { useT } from "~/i18n";

const TONES: Record<string, Tone> = { passed: "ok", mapped: "info", emulated: "info", clamped: "warn", dropped: "bad" };

export function Translation({ header }: { header: string | null }) {
  const t = useT("query").translation;
  if (!header) return <p className="muted">{t.none}</p>;
  return (
    <div className="stack">
      <p className="muted">{t.help}</p>
      <dl className="facts">
        {translationOf(header).map(({ word, fields }) => (
          <div key={word} style={{ display: "contents" }}>
            <dt>
              <Badge tone={TONES[word] ?? "idle"}>{word}</Badge>
            </dt>
            <dd>
              <code>{fields.join(", ")}</code> <small className="faint">{t.words[word]}</small>
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
