/**
 * What the page's scripts stand on, for the type checker alone. Gradio runs a component's script with `element`, `props`,
 * `watch` and `trigger`; `numbers.js` and `scale.js` are put before the scripts that use them.
 *
 * What a selector finds is taken to be there and to be of the right kind: the walks through the page see to that.
 */
export {};

declare global {
  /** What a selector finds: an element with what any of ours is asked for. */
  interface Found extends HTMLInputElement {
    open: boolean;
    /** Puts a number box back to its last number. */
    back?(): void;
    /** Hears of events on a chart of Plotly. */
    on?(event: string, react: (event: { points: { customdata?: any[] }[] }) => void): void;
  }

  /** An event and what it happened to. */
  type Heard = Event & { target: Found };
  type Key = KeyboardEvent & { target: Found };

  interface ParentNode {
    querySelector(selector: string): Found | null;
    querySelectorAll(selector: string): NodeListOf<Found>;
  }
  interface Element {
    closest(selector: string): Found | null;
  }
  interface Window {
    gradio_config?: { app_id?: number };
    /** The settings of a link, as the page's controls now show them. */
    asShown?(query: string): string;
    /** What comes from the settings: see playground/ui/constants.py. */
    playground: {
      dial: { low: number; high: number; step: number; leap: number; homes: number[]; snap: number };
      sliders: string[];
      main: string;
      /** Which settings a link tells always, and which where they were changed; how an axis of two sentences is told. */
      shared: { always: string[]; maybe: string[]; described: { label: string; between: string } };
    };
  }

  /** One component of the page. */
  const element: Found;
  /** Its value and what else Python told it. */
  let props: any;
  /** Calls `react` once one of these props has changed. */
  function watch(names: string | string[], react: () => void): void;
  /** Tells Python of an event. */
  function trigger(event: string, detail?: unknown): void;

  /** What a number may be. */
  interface Bounds {
    least?: number | null;
    most?: number | null;
    above?: number | null;
    whole?: boolean;
    optional?: boolean;
  }
  /** A number that was read, null for none; or why it was refused. */
  type Read = { value?: number | null; why?: string };
  /** How a number box reads, shows and hands on. */
  interface Box {
    bounds(): Bounds;
    last(): number | null;
    show(x: number | null): string;
    take(value: number | null): void;
    step: number;
  }
  type NumberField = (field: HTMLInputElement, words: HTMLElement, box: Box) => { back(): void };
  const numberField: NumberField;

  const LOW: number;
  const HIGH: number;
  const STEP: number;
  const LEAP: number;
  const HOMES: number[];
  function snapped(x: number): number;
  function rounded(x: number): number;
  function share(x: number): number;
  function shown(x: number): string;
}
