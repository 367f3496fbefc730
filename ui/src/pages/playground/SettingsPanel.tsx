/** System prompt, parameters, tools and response format of a conversation; they hold for all its lanes. */
import { Button } from "~/components/Button";
import { Segmented, Select, Switch, TextField } from "~/components/fields";
import { useT } from "~/i18n";
import { bodyOf, EFFORTS, type Faults, FIRST, NUMBERS, type ResponseFormat, SCHEMA_EXAMPLE, type Settings, TOOL_EXAMPLE } from "./settings";
import { playground } from "./store";

const written = (value: unknown) => JSON.stringify(value, null, 2);

export function SettingsPanel({ settings }: { settings: Settings }) {
  const t = useT("playground").panel;
  const { faults } = bodyOf(settings, []);
  const [usual, rest] = [NUMBERS.slice(0, 4), NUMBERS.slice(4)];
  const number = (name: (typeof NUMBERS)[number]) => (
    <TextField key={name} label={t.number[name]} type="number" value={settings.numbers[name] ?? ""} placeholder={t.unset} error={told(faults, name, t.faults)} onChange={(value) => playground.change({ numbers: { ...settings.numbers, [name]: value } })} />
  );
  return (
    <div className="stack">
      <TextField label={t.system} value={settings.system} onChange={(system) => playground.change({ system })} rows={4} placeholder={t.systemPlaceholder} />
      <div className="playground-numbers">{usual.map(number)}</div>
      <Switch label={t.stream} on={settings.stream} onChange={(stream) => playground.change({ stream })} />
      <Select label={t.effort} value={settings.effort} onChange={(effort) => playground.change({ effort })} choices={EFFORTS.map((id) => ({ id, label: t.efforts[id] }))} />
      <ToolsField settings={settings} faults={faults} />
      <FormatField settings={settings} faults={faults} />
      <details className="playground-more">
        <summary>{t.more}</summary>
        <div className="stack">
          <div className="playground-numbers">{rest.map(number)}</div>
          <TextField label={t.stop} help={t.stopHelp} value={settings.stop} onChange={(stop) => playground.change({ stop })} rows={2} mono />
          <TextField label={t.extra} help={t.extraHelp} value={settings.extra} onChange={(extra) => playground.change({ extra })} rows={3} mono error={told(faults, "extra", t.faults)} placeholder={'{"top_k": 40}'} />
        </div>
      </details>
      <div>
        <Button small onPress={() => playground.change(FIRST)}>
          {t.reset}
        </Button>
      </div>
    </div>
  );
}

function told(faults: Faults, name: keyof Faults, words: Record<NonNullable<Faults[keyof Faults]>, string>): string | null {
  const fault = faults[name];
  return fault ? words[fault] : null;
}

function ToolsField({ settings, faults }: { settings: Settings; faults: Faults }) {
  const t = useT("playground").panel;
  return (
    <div className="stack tight">
      <TextField label={t.tools} help={t.toolsHelp} value={settings.tools} onChange={(tools) => playground.change({ tools })} rows={settings.tools ? 8 : 2} mono error={told(faults, "tools", t.faults)} placeholder="[]" />
      {!settings.tools && (
        <div>
          <Button small onPress={() => playground.change({ tools: written(TOOL_EXAMPLE) })}>
            {t.toolsExample}
          </Button>
        </div>
      )}
    </div>
  );
}

function FormatField({ settings, faults }: { settings: Settings; faults: Faults }) {
  const t = useT("playground").panel;
  const choose = (format: ResponseFormat) => playground.change({ format, ...(format === "json_schema" && !settings.schema ? { schema: written(SCHEMA_EXAMPLE) } : {}) });
  const formats: ResponseFormat[] = ["text", "json_object", "json_schema"];
  return (
    <div className="stack tight">
      <span className="field-label" aria-hidden="true">
        {t.format}
      </span>
      <div>
        <Segmented<ResponseFormat> label={t.format} value={settings.format} onChange={choose} choices={formats.map((id) => ({ id, label: t.formats[id] }))} />
      </div>
      {settings.format === "json_schema" && <TextField label={t.schema} hideLabel value={settings.schema} onChange={(schema) => playground.change({ schema })} rows={10} mono error={told(faults, "schema", t.faults)} />}
    </div>
  );
}

/** How many settings differ from the first ones. */
export function countOf(settings: Settings): number {
  const { messages: _, stream, ...fields } = bodyOf(settings, []).body;
  return Object.keys(fields).length + (settings.system.trim() ? 1 : 0) + (stream === true ? 0 : 1);
}
