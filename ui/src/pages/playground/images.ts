/** Pictures that go along with a message, as data URLs: nothing is uploaded anywhere before it is sent. */

const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];
export const ACCEPTED = KINDS.join(",");
const MOST_BYTES = 8_000_000;

export type ImageFault = "kind" | "size";

export function faultOfImage(file: { type: string; size: number }): ImageFault | null {
  if (!KINDS.includes(file.type)) return "kind";
  return file.size > MOST_BYTES ? "size" : null;
}

export function dataUrlOf(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error("unreadable"));
    reader.readAsDataURL(file);
  });
}
