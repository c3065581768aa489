// npm: rxjs@7.8.2
// prints: 2
// prints: 102
// prints: 202
// prints: 302
// prints: 0,1,3
// prints: done
import { filter, from, interval, lastValueFrom, map, range, scan, take, toArray } from "rxjs";

range(1, 200)
  .pipe(filter((x) => x % 50 === 1), map((x) => x + x))
  .subscribe((x) => console.log(x));
console.log((await lastValueFrom(interval(1).pipe(take(3), scan((sum, x) => sum + x, 0), toArray()))).join());
console.log(await lastValueFrom(from(Promise.resolve("done"))));
