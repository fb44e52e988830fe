// The readings in memory: columns, and what charts ask of them. A missing value is NaN.

import { DAY, HOUR } from "./format.js";

export class Series {
  /** Takes the answer of `/api/sensors/readings`. */
  constructor(columns) {
    this.time = Float64Array.from(columns.time);
    this.values = {};
    for (const [field, column] of Object.entries(columns))
      if (field !== "time") this.values[field] = Float64Array.from(column, (value) => value ?? NaN);
    this.step = usualStep(this.time);
  }

  get length() {
    return this.time.length;
  }

  get first() {
    return this.time[0];
  }

  get last() {
    return this.time[this.length - 1];
  }

  /** The place of the first reading at or after a time. */
  placeOf(time) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The places of the readings in a period: from, and to (not included). */
  placesOf([from, to]) {
    return [this.placeOf(from), this.placeOf(to + 1)];
  }

  /** The place of the reading nearest to a time, or -1. */
  nearest(time, [from, to]) {
    const [start, end] = this.placesOf([from, to]);
    if (start >= end) return -1;
    const after = Math.min(Math.max(this.placeOf(time), start), end - 1);
    const before = Math.max(start, after - 1);
    return time - this.time[before] <= this.time[after] - time ? before : after;
  }

  /** Median, least and greatest value in a period, how many there are, and how many are above the limit. */
  summary(field, period, limit = Infinity) {
    const [start, end] = this.placesOf(period);
    const values = this.values[field].slice(start, end).filter((value) => !Number.isNaN(value)).sort();
    const over = values.length - values.findLastIndex((value) => value <= limit) - 1;
    return { count: values.length, low: values[0], high: values[values.length - 1], median: quantile(values, 0.5), over };
  }

  /**
   * The unbroken stretches of a line as lists of x and y, in pixels. Hours without a reading break the line. Where
   * several readings share a pixel, the first, least, greatest and last stand for them all: no peak is lost.
   */
  stretches(field, period, toX, toY) {
    const values = this.values[field];
    const [start, end] = this.placesOf(period);
    const stretches = [];
    let column = null;
    let stretch = null;
    let lastTime = -Infinity;
    // One reading beyond each edge, so that lines go through it.
    for (let place = Math.max(0, start - 1); place < Math.min(this.length, end + 1); place += 1) {
      const value = values[place];
      if (Number.isNaN(value)) continue;
      const time = this.time[place];
      const x = toX(time);
      const isGap = time - lastTime > this.step * 1.5 && x - toX(lastTime) > 1;
      if (isGap || !stretch) {
        flush(column, stretch);
        column = null;
        stretch = [];
        stretches.push(stretch);
      }
      const pixel = Math.floor(x);
      if (column && column.pixel === pixel) column.add(place, value, x);
      else {
        flush(column, stretch);
        column = new Column(pixel, place, value, x);
      }
      lastTime = time;
    }
    flush(column, stretch);
    for (const points of stretches) for (const point of points) point[1] = toY(point[1]);
    return stretches;
  }

  /** The mean of each day, or of each of so many days, as stretches of x and y; days without readings break them. */
  means(field, period, days, toX, toY) {
    const [start, end] = this.placesOf(period);
    const size = days * DAY;
    const stretches = [];
    let place = start;
    let lastBucket = -Infinity;
    while (place < end) {
      const bucket = Math.floor(this.time[place] / size);
      let [sum, count] = [0, 0];
      for (; place < end && Math.floor(this.time[place] / size) === bucket; place += 1) {
        const value = this.values[field][place];
        if (!Number.isNaN(value)) [sum, count] = [sum + value, count + 1];
      }
      if (!count) continue;
      if (bucket !== lastBucket + 1) stretches.push([]);
      stretches[stretches.length - 1].push([toX((bucket + 0.5) * size), toY(sum / count)]);
      lastBucket = bucket;
    }
    return stretches;
  }

  /** The readings above a limit, one for a pixel: the greatest. */
  marks(field, period, limit, toX) {
    const [start, end] = this.placesOf(period);
    const marks = [];
    for (let place = start; place < end; place += 1) {
      const value = this.values[field][place];
      if (!(value > limit)) continue;
      const x = toX(this.time[place]);
      const last = marks[marks.length - 1];
      if (!last || x - last.x >= 2) marks.push({ x, value });
      else if (value > last.value) last.value = value;
    }
    return marks;
  }

  /** Stretches of time without any reading that are longer than `least`. */
  gaps([from, to], least) {
    const [start, end] = this.placesOf([from, to]);
    const gaps = [];
    for (let place = Math.max(1, start); place < Math.min(this.length, end + 1); place += 1)
      if (this.time[place] - this.time[place - 1] > Math.max(least, this.step * 1.5))
        gaps.push([Math.max(from, this.time[place - 1]), Math.min(to, this.time[place])]);
    return gaps;
  }

  /** Median and the middle 80 % of each hour of the day. */
  hours(field, period) {
    const [start, end] = this.placesOf(period);
    const byHour = Array.from({ length: 24 }, () => []);
    for (let place = start; place < end; place += 1) {
      const value = this.values[field][place];
      if (!Number.isNaN(value)) byHour[Math.floor((this.time[place] / HOUR) % 24)].push(value);
    }
    return byHour.map((values) => {
      const sorted = Float64Array.from(values).sort();
      const [low, median, high] = [0.1, 0.5, 0.9].map((share) => quantile(sorted, share));
      return { count: values.length, low, median, high };
    });
  }
}

/** The readings of one pixel. */
class Column {
  constructor(pixel, place, value, x) {
    this.pixel = pixel;
    this.first = this.last = this.least = this.greatest = [x, value, place];
  }

  add(place, value, x) {
    const point = [x, value, place];
    this.last = point;
    if (value < this.least[1]) this.least = point;
    if (value > this.greatest[1]) this.greatest = point;
  }
}

function flush(column, stretch) {
  if (!column) return;
  const points = [...new Set([column.first, column.least, column.greatest, column.last])];
  points.sort((left, right) => left[2] - right[2]);
  stretch.push(...points);
}

function quantile(sorted, share) {
  if (!sorted.length) return NaN;
  const place = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return low + (high - low) * (place % 1);
}

/** The time that mostly lies between two readings. */
function usualStep(time) {
  if (time.length < 3) return HOUR;
  const steps = new Float64Array(time.length - 1);
  for (let place = 1; place < time.length; place += 1) steps[place - 1] = time[place] - time[place - 1];
  return steps.sort()[steps.length >> 1] || HOUR;
}
