/** Rows of key and value. */
import type { Tag } from "~/api/endpoints";
import { Button, IconButton } from "~/components/Button";
import { TextField } from "~/components/fields";
import { useT } from "~/i18n";

export function TagsEditor({ tags, onChange }: { tags: Tag[]; onChange(tags: Tag[]): void }) {
  const t = useT("endpoints");
  const words = useT("components");
  const change = (index: number, tag: Tag) => onChange(tags.map((each, at) => (at === index ? tag : each)));
  return (
    <div className="stack">
      {tags.map((tag, index) => (
        <div key={index} className="row">
          <div className="grow">
            <TextField label={t.tagKey} hideLabel placeholder={t.tagKey} value={tag.key} onChange={(key) => change(index, { ...tag, key })} />
          </div>
          <div className="grow">
            <TextField label={t.tagValue} hideLabel placeholder={t.tagValue} value={tag.value ?? ""} onChange={(value) => change(index, { ...tag, value })} />
          </div>
          <IconButton label={words.remove} icon="close" onPress={() => onChange(tags.filter((_, at) => at !== index))} />
        </div>
      ))}
      <span>
        <Button small icon="plus" onPress={() => onChange([...tags, { key: "", value: "" }])}>
          {t.addTag}
        </Button>
      </span>
    </div>
  );
}
