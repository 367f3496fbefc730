/** Who is in a group: users, service principals and other groups. */
import { useState } from "react";
import { type Kind, nameOf, type Resource, usePeople, usePeopleChanges } from "~/api/people";
import { IconButton } from "~/components/Button";
import { SearchField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import "./people.css";

const OFFERED = 6;

const pathOf = (id: string): string => `members[value eq "${id}"]`;

export function Members({ group }: { group: Resource }) {
  const t = useT("people");
  const words = useT("components");
  const { patch } = usePeopleChanges("Groups");
  const gone = patch.isPending ? patch.variables.operations.find((each) => each.op === "remove")?.path : undefined;
  // Whoever is removed is gone at once, and back if the server refuses.
  const members = (group.members ?? []).filter((member) => pathOf(member.value) !== gone);
  const change = (operations: Parameters<typeof patch.mutate>[0]["operations"]) => patch.mutate({ id: group.id, operations }, { onError: toast.error });
  return (
    <section className="stack" aria-label={t.members}>
      <h3>{t.members}</h3>
      {members.length === 0 && <p className="faint">{t.noMembers}</p>}
      <ul className="member-list">
        {members.map((member) => (
          <li key={member.value} className="row between">
            <span className="break">{member.display ?? member.value}</span>
            <IconButton
              small
              icon="close"
              label={`${words.remove}: ${member.display ?? member.value}`}
              isDisabled={patch.isPending}
              onPress={() => change([{ op: "remove", path: pathOf(member.value) }])}
            />
          </li>
        ))}
      </ul>
      <AddMember taken={new Set([group.id, ...members.map((member) => member.value)])} onAdd={(id) => change([{ op: "add", path: "members", value: [{ value: id }] }])} />
    </section>
  );
}

function AddMember({ taken, onAdd }: { taken: Set<string>; onAdd(id: string): void }) {
  const t = useT("people");
  const [text, setText] = useState("");
  return (
    <div className="stack">
      <SearchField label={t.addMember} value={text} onChange={setText} />
      {text && (["Users", "ServicePrincipals", "Groups"] as const).map((kind) => <Offers key={kind} kind={kind} text={text} taken={taken} onAdd={onAdd} />)}
    </div>
  );
}

function Offers({ kind, text, taken, onAdd }: { kind: Kind; text: string; taken: Set<string>; onAdd(id: string): void }) {
  const t = useT("people");
  const words = useT("components");
  const found = usePeople(kind, text, 0, OFFERED);
  if (found.error) return <ErrorNote error={found.error} />;
  const offered = (found.data?.Resources ?? []).filter((each) => !taken.has(each.id));
  if (!offered.length) return null;
  return (
    <div className="stack tight">
      <span className="faint">{t.kinds[kind]}</span>
      <ul className="member-list">
        {offered.map((each) => (
          <li key={each.id} className="row between">
            <span className="break">{each.displayName ?? nameOf(kind, each)}</span>
            <IconButton small icon="plus" label={`${words.add}: ${each.displayName ?? nameOf(kind, each)}`} onPress={() => onAdd(each.id)} />
          </li>
        ))}
      </ul>
    </div>
  );
}
