/** A filter that stands in the query string. It is asked for when it is complete: exact names are looked up. */
import { useState } from "react";
import { useQueryState } from "~/app/query-state";
import { TextField } from "./fields";

export function FilterField({ name, label, placeholder }: { name: string; label: string; placeholder?: string }) {
  const query = useQueryState();
  const set = query.get(name) ?? "";
  const [typed, setTyped] = useState<string | null>(null);
  const commit = () => {
    if (typed !== null) query.set({ [name]: typed.trim() || null });
    setTyped(null);
  };
  return (
    <div onBlur={commit}>
      <TextField label={label} value={typed ?? set} onChange={setTyped} onEnter={commit} placeholder={placeholder} />
    </div>
  );
}
