/** One measured number, and the bound it must keep where there is one. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The value must not exceed this. */
  readonly max?: number;
  /** The value must not fall below this. */
  readonly min?: number;
}

/** Tells whether a figure keeps its bounds. */
export function isKept({ value, min, max }: Figure): boolean {
  return (min === undefined || value >= min) && (max === undefined || value <= max);
}

/** A figure as one line of text. */
export function formatFigure(figure: Figure): string {
  const bounds = [
    ...(figure.min === undefined ? [] : [`at least ${figure.min}`]),
    ...(figure.max === undefined ? [] : [`at most ${figure.max}`]),
  ].join(", ");
  const verdict = bounds === "" ? "" : `  (${bounds}: ${isKept(figure) ? "kept" : "MISSED"})`;
  const value = Number.isInteger(figure.value) ? String(figure.value) : figure.value.toFixed(2);
  return `${figure.name.padEnd(80)} ${value.padStart(10)} ${figure.unit}${verdict}`;
}
