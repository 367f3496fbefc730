/** Where one writes. Enter sends, Shift+Enter makes a line, and an Enter that ends a conversion to kanji does neither. */
import { type ClipboardEvent, type DragEvent, type KeyboardEvent, useId, useRef, useState } from "react";
import { Button, IconButton } from "~/components/Button";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { ACCEPTED, dataUrlOf, faultOfImage } from "./images";
import { playground } from "./store";

const MOST_IMAGES = 4;

export function Composer({ running, disabled, text, onText }: { running: boolean; disabled: boolean; text: string; onText(text: string): void }) {
  const t = useT("playground");
  const id = useId();
  const [images, setImages] = useState<string[]>([]);
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const ready = !disabled && !running && (text.trim() !== "" || images.length > 0);
  const add = async (files: Iterable<File>) => {
    for (const file of files) {
      const fault = faultOfImage(file);
      if (fault) toast.error(fault === "kind" ? t.notImage(file.name) : t.tooLarge(file.name));
      else {
        const url = await dataUrlOf(file);
        setImages((before) => [...before, url].slice(0, MOST_IMAGES));
      }
    }
  };
  const send = () => {
    if (!ready) return;
    playground.send(text.trim(), images);
    onText("");
    setImages([]);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    void add(files);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void add([...event.dataTransfer.files]);
  };
  const drag = (now: boolean) => (event: DragEvent) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setOver(now);
  };
  return (
    <div className={over ? "playground-composer over" : "playground-composer"} onDrop={onDrop} onDragOver={drag(true)} onDragLeave={drag(false)}>
      {over && <div className="playground-drop">{t.dropHere}</div>}
      {images.length > 0 && (
        <div className="row wrap">
          {images.map((url, index) => (
            <span key={index} className="playground-thumb">
              <img src={url} alt={t.image(index + 1)} />
              <IconButton small kind="default" icon="close" label={t.removeImage(index + 1)} onPress={() => setImages(images.filter((_, at) => at !== index))} />
            </span>
          ))}
        </div>
      )}
      <label className="sr-only" htmlFor={id}>
        {t.composer}
      </label>
      <textarea id={id} rows={1} value={text} placeholder={t.placeholder} onChange={(event) => onText(event.target.value)} onKeyDown={onKeyDown} onPaste={onPaste} data-page-search="" />
      <div className="row between">
        <IconButton icon="image" label={t.addImages} onPress={() => picker.current?.click()} />
        <input ref={picker} type="file" accept={ACCEPTED} multiple hidden onChange={(event) => (void add([...(event.target.files ?? [])]), (event.target.value = ""))} />
        {running ? (
          <Button icon="stop" onPress={() => playground.stop()}>
            {t.stop}
          </Button>
        ) : (
          <Button kind="primary" icon="send" isDisabled={!ready} onPress={send}>
            {t.send}
          </Button>
        )}
      </div>
    </div>
  );
}
