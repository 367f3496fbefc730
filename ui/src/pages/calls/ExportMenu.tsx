/** All calls that the filter finds, as a file. */
import { useRef, useState } from "react";
import { type Call, type CallFilter, everyCall } from "~/api/calls";
import { Button } from "~/components/Button";
import { csvLine } from "~/components/csv";
import { Menu } from "~/components/Menu";
import { datedName, saveFile } from "~/components/save-file";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";

/** More than that is for SQL. */
const MOST = 100_000;

const FIELDS: readonly (keyof Call)[] = ["request_id", "client_request_id", "endpoint", "entity", "user", "time", "status", "outcome", "error_code", "stream", "input_tokens", "output_tokens", "estimated", "duration_ms", "first_byte_ms", "attempts", "cost_usd", "translation"];

function csvOf(call: Call): string {
  return csvLine(FIELDS.map((name) => (name === "time" ? new Date(call.time).toISOString() : call[name])));
}

export function ExportMenu({ filter }: { filter: CallFilter }) {
  const t = useT("calls");
  const [count, setCount] = useState<number | null>(null);
  const stop = useRef<AbortController | null>(null);
  const run = async (format: "csv" | "json") => {
    const mine = new AbortController();
    stop.current = mine;
    setCount(0);
    // In pieces: the browser holds them outside of the page's memory once they are a blob.
    const parts: string[] = [format === "csv" ? csvLine(FIELDS) : "["];
    let got = 0;
    let cut = false;
    try {
      for await (const calls of everyCall(filter, mine.signal)) {
        const rows = calls.map((call) => (format === "csv" ? csvOf(call) : JSON.stringify(call)));
        parts.push(format === "csv" ? rows.join("") : `${got && rows.length ? ",\n" : "\n"}${rows.join(",\n")}`);
        got += calls.length;
        setCount(got);
        cut = got >= MOST;
        if (cut) break;
      }
      if (format === "json") parts.push("\n]\n");
      saveFile(datedName("calls", format), parts, format === "csv" ? "text/csv" : "application/json");
      if (cut) toast.info(t.exportCut(got));
      else toast.ok(t.exported(got));
    } catch (thrown) {
      if (!mine.signal.aborted) toast.error(thrown);
    } finally {
      setCount(null);
    }
  };
  if (count !== null)
    return (
      <Button icon="stop" aria-label={t.stopExport} onPress={() => stop.current?.abort()}>
        {t.exporting(count)}
      </Button>
    );
  const entries = [
    { id: "csv", label: t.exportCsv, icon: "download" as const, onAction: () => void run("csv") },
    { id: "json", label: t.exportJson, icon: "download" as const, onAction: () => void run("json") },
  ];
  return <Menu label={t.export} entries={entries} trigger={<Button icon="download">{t.export}</Button>} />;
}
