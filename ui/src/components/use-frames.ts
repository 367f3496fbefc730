/** Redraws at most once a frame, and less often where drawing is slow: a stream must not keep the page from answering. */
import { useCallback, useEffect, useReducer, useRef } from "react";

/** Call the returned function as often as something changes; what is drawn reads the changed thing itself. */
export function useFrames(): () => void {
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const waiting = useRef(0);
  const notBefore = useRef(0);
  const began = useRef(0);
  useEffect(() => {
    // After a drawing: as long as it took, the page belongs to the reader.
    if (!began.current) return;
    notBefore.current = performance.now() + (performance.now() - began.current);
    began.current = 0;
  });
  useEffect(
    () => () => {
      cancelAnimationFrame(waiting.current);
      waiting.current = 0;
    },
    [],
  );
  return useCallback(() => {
    if (waiting.current) return;
    const frame = () => {
      if (performance.now() < notBefore.current) {
        waiting.current = requestAnimationFrame(frame);
        return;
      }
      waiting.current = 0;
      began.current = performance.now();
      draw();
    };
    waiting.current = requestAnimationFrame(frame);
  }, []);
}
