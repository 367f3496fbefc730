/** Redraws at most once a frame, and less often where drawing is slow: a stream must not keep the page from answering. */
import { useCallback, useEffect, useReducer, useRef } from "react";

/** A frame that takes longer, with layout and paint, is followed by as long a rest; milliseconds. */
const SLOW = 24;

/** Call the returned function as often as something changes; what is drawn reads the changed thing itself. */
export function useFrames(): () => void {
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const waiting = useRef(0);
  const notBefore = useRef(0);
  useEffect(
    () => () => {
      cancelAnimationFrame(waiting.current);
      waiting.current = 0;
    },
    [],
  );
  return useCallback(() => {
    if (waiting.current) return;
    const frame = (now: number) => {
      if (now < notBefore.current) {
        waiting.current = requestAnimationFrame(frame);
        return;
      }
      waiting.current = 0;
      draw();
      // The next frame begins when this one has been painted.
      requestAnimationFrame((next) => {
        if (next - now > SLOW) notBefore.current = next + (next - now);
      });
    };
    waiting.current = requestAnimationFrame(frame);
  }, []);
}
