/** Stands where a page's code is on its way: nothing for a moment, then the shape of a page. */
import { Skeleton } from "./states";

export function BeingLoaded() {
  return (
    <div className="page" style={{ padding: "var(--s5)" }}>
      <Skeleton lines={5} />
    </div>
  );
}
