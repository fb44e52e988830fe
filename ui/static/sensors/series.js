// An answer of /api/sensors/series: lines of few points that show the same picture as all readings, with sums. Every point
// is a reading; a missing value (NaN) ends a stretch of the line.

export class Series {
  constructor(answer) {
    Object.assign(this, answer);
    this.lines = {};
    for (const [field, line] of Object.entries(answer.fields)) this.lines[field] = new Line(line);
  }

  get isEmpty() {
    return !(this.last > 0) || !Object.values(this.lines).some((line) => line.time.length);
  }

  /** How much time one point may stand for. */
  get width() {
    return Math.max(this.step, (this.to - this.from) / this.points);
  }
}

/** The line of one quantity. */
export class Line {
  constructor({ time, value, means, ...sums }) {
    Object.assign(this, sums);
    this.time = Float64Array.from(time);
    this.value = Float64Array.from(value, (number) => number ?? NaN);
    this.means = means.map(([at, mean]) => [at, mean ?? NaN]);
  }

  /** The place of the first point at or after a time. */
  placeOf(time) {
    let low = 0;
    let high = this.time.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The place of the reading nearest to a time within a period, or -1. */
  nearest(time, [from, to]) {
    let best = -1;
    for (let place = Math.max(0, this.placeOf(time) - 3); place < this.time.length; place += 1) {
      const at = this.time[place];
      if (Number.isNaN(this.value[place]) || at < from || at > to) {
        if (at > to) break;
        continue;
      }
      const distance = Math.abs(at - time);
      if (best >= 0 && distance > Math.abs(this.time[best] - time)) break;
      best = place;
    }
    return best >= 0 ? best : this.lastIn(time, [from, to]);
  }

  /** The place of the last reading in a period up to a time, or -1. */
  lastIn(time, [from]) {
    for (let place = this.placeOf(time) - 1; place >= 0 && this.time[place] >= from; place -= 1)
      if (!Number.isNaN(this.value[place])) return place;
    return -1;
  }

  /** The place of the reading so many after another, or as far as there are any in the period. */
  stepped(place, by, [from, to]) {
    const forward = Math.sign(by);
    let found = place;
    let left = Math.abs(by);
    for (let next = place + forward; left > 0 && next >= 0 && next < this.time.length; next += forward) {
      if (this.time[next] < from || this.time[next] > to) break;
      if (Number.isNaN(this.value[next])) continue;
      found = next;
      left -= 1;
    }
    return found;
  }

  /** The unbroken stretches of the line as lists of x and y, from one reading before a period to one after it. */
  stretches(period, toX, toY) {
    return split(this.time, this.value, this.placeOf(period[0]) - 1, this.placeOf(period[1] + 1) + 1, toX, toY);
  }

  /** The same of the means of days. */
  meanStretches(toX, toY) {
    const times = this.means.map(([time]) => time);
    return split(times, this.means.map(([, mean]) => mean), 0, times.length, toX, toY);
  }

  /** The readings above a limit, one for two pixels: the greatest. It is seen if all of them are among those times. */
  marks([from, to], limit, seen, toX) {
    const marks = [];
    for (let place = this.placeOf(from); place < this.time.length && this.time[place] <= to; place += 1) {
      const value = this.value[place];
      if (!(value > limit)) continue;
      const mark = { x: toX(this.time[place]), value, isSeen: seen.has(this.time[place]) };
      const last = marks[marks.length - 1];
      if (!last || mark.x - last.x >= 2) {
        marks.push(mark);
        continue;
      }
      last.isSeen &&= mark.isSeen;
      if (value > last.value) last.value = value;
    }
    return marks;
  }
}

function split(times, values, start, end, toX, toY) {
  const stretches = [];
  let stretch = null;
  for (let place = Math.max(0, start); place < Math.min(times.length, end); place += 1) {
    if (Number.isNaN(values[place])) {
      stretch = null;
      continue;
    }
    if (!stretch) stretches.push((stretch = []));
    stretch.push([toX(times[place]), toY(values[place])]);
  }
  return stretches;
}
