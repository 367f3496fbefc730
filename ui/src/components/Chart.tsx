/** Charts over time. uPlot is loaded when the first one is drawn; a table with the same figures is there for everybody. */
import { useEffect, useId, useRef } from "react";
import type uPlot from "uplot";
import { subscribeToTheme } from "~/app/theme";
import { useFormat, useLanguage, useT } from "~/i18n";
import { stackOf } from "./stack";

export interface Series {
  label: string;
  values: readonly (number | null)[];
  /** `--chart-1` to `--chart-6`; else in order. */
  color?: string;
  /** Filled below, for sums; lines for the rest. */
  fill?: boolean;
  /** Bars side by side are for days; the default is a line. */
  bars?: boolean;
}

export interface ChartProps {
  label: string;
  /** Unix milliseconds. */
  times: readonly number[];
  series: readonly Series[];
  /** One on top of the other, the first on top: parts of a whole. */
  stacked?: boolean;
  height?: number;
  format?(value: number): string;
  /** How times are written in the table; the default is date and time. */
  formatTime?(time: number): string;
}

export function Chart(props: ChartProps) {
  const { label, times, series, height = 200 } = props;
  const box = useRef<HTMLDivElement>(null);
  const format = useFormat();
  const { locale } = useLanguage();
  const value = props.format ?? format.number;
  const time = props.formatTime ?? format.dateTime;
  const timeWord = useT("components").time;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let chart: uPlot | null = null;
    let gone = false;
    const draw = (library: typeof uPlot) => {
      chart?.destroy();
      const width = Math.max(120, element.clientWidth);
      chart = new library(optionsOf(library, props, { width, height, value, locale, timeWord }), dataOf(times, series, props.stacked), element);
    };
    let stopTheme = () => {};
    let sizes: ResizeObserver | null = null;
    void Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]).then(([{ default: library }]) => {
      if (gone) return;
      draw(library);
      stopTheme = subscribeToTheme(() => draw(library));
      sizes = new ResizeObserver(() => chart?.setSize({ width: Math.max(120, element.clientWidth), height }));
      sizes.observe(element);
    });
    return () => {
      gone = true;
      stopTheme();
      sizes?.disconnect();
      chart?.destroy();
    };
    // The parts of `props` that matter are listed; callers keep `times` and `series` stable while the data is the same.
  }, [times, series, props.stacked, height, locale]);
  return (
    <figure className="chart" aria-label={label}>
      <div ref={box} style={{ minHeight: height }} aria-hidden="true" />
      <Figures {...{ label, times, series, value, time }} />
    </figure>
  );
}

function Figures({ label, times, series, value, time }: Pick<ChartProps, "label" | "times" | "series"> & { value(v: number): string; time(v: number): string }) {
  const t = useT("components");
  const id = useId();
  return (
    <details>
      <summary className="faint" id={id} style={{ fontSize: "var(--text-xs)", cursor: "pointer" }}>
        {t.chartTable}
      </summary>
      <div className="table-scroll" style={{ maxHeight: "16rem", overflow: "auto" }} tabIndex={0} role="region" aria-labelledby={id}>
        <table className="table" aria-label={label}>
          <thead>
            <tr>
              <th scope="col" />
              {series.map((each) => (
                <th key={each.label} scope="col" className="end">
                  {each.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {times.map((at, index) => (
              <tr key={at}>
                <td className="nowrap">{time(at)}</td>
                {series.map((each) => (
                  <td key={each.label} className="end">
                    {typeof each.values[index] === "number" ? value(each.values[index]) : "–"}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function dataOf(times: readonly number[], series: readonly Series[], stacked = false): uPlot.AlignedData {
  const heights = stacked ? stackOf(series.map((each) => each.values)) : series.map((each) => [...each.values]);
  return [times.map((time) => time / 1000), ...heights] as uPlot.AlignedData;
}

interface Place {
  width: number;
  height: number;
  value(v: number): string;
  locale: string;
  timeWord: string;
}

function optionsOf(library: typeof uPlot, { times: moments, series, stacked }: ChartProps, { width, height, value, locale, timeWord }: Place): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const paint = (name: string) => resolved(style.getPropertyValue(name).trim());
  const axis = { stroke: paint("--text-3"), grid: { stroke: paint("--chart-grid"), width: 1 }, ticks: { show: false }, font: `11px ${style.fontFamily}` };
  const times = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const days = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
  return {
    width,
    height,
    padding: [8, 20, 0, 0],
    cursor: { y: false, points: { size: 6 } },
    legend: { live: true },
    axes: [
      { ...axis, values: (_, ticks, __, ___, gap) => ticks.map((tick) => (gap >= 86_400 ? days : times).format(tick * 1000)) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map(value) },
    ],
    scales: { x: { range: fromTo(moments, series.some((each) => each.bars)) }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), high ? high * 1.08 : 1] } },
    series: [
      { value: (_, tick) => (tick === null ? "–" : `${days.format(tick * 1000)} ${times.format(tick * 1000)}`), label: timeWord },
      ...series.map((each, index) => {
        const color = paint(each.color ?? `--chart-${(index % 6) + 1}`);
        return {
          label: each.label,
          stroke: color,
          width: stacked ? 0 : 1.5,
          fill: each.fill || each.bars ? `color-mix(in srgb, ${color} ${stacked ? 100 : each.bars ? 70 : 16}%, transparent)` : undefined,
          paths: each.bars && library.paths.bars ? library.paths.bars({ size: [0.7, 48] }) : undefined,
          points: { size: 5, show: false, filter: (chart: uPlot, at: number) => (each.bars ? [] : alone(chart.data[at] ?? [])) },
          // Of a stack, what is its own.
          value: (_: uPlot, raw: number | null, __: number, at: number | null) => shown(stacked && at !== null ? (each.values[at] ?? null) : stacked ? null : raw, value),
        };
      }),
    ],
  };
}

/** A value with nothing beside it draws no line, so it gets a point. */
function alone(values: uPlot.AlignedData[number] | (number | null | undefined)[]): number[] {
  const has = (index: number) => values[index] !== null && values[index] !== undefined;
  return Array.from(values, (_, index) => index).filter((index) => has(index) && !has(index - 1) && !has(index + 1));
}

/**
 * From when to when, in seconds: bars need room for their halves, and a single moment a day around it. uPlot's own idea of
 * a single moment is years long.
 */
function fromTo(times: readonly number[], bars: boolean): () => [number, number] {
  const [first = 0, last = 0] = [times[0], times.at(-1)].map((time) => (time ?? 0) / 1000);
  const step = times.length > 1 ? (last - first) / (times.length - 1) : 86_400;
  const room = bars || times.length < 2 ? step / 2 : 0;
  return () => [first - room, last + room];
}

const shown = (value: number | null | undefined, format: (value: number) => string): string => (typeof value === "number" ? format(value) : "–");

/** A colour as the canvas takes it: the browser works out `light-dark()`. */
function resolved(color: string): string {
  const probe = document.createElement("span");
  probe.style.color = color;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
