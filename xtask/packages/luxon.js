// npm: luxon@3.7.2
// grants: clock = "never"
// prints: 2017-05-08T23:59:59.999-04:00
// prints: 2017-05-15T21:30:00.000+09:00 15 mai 2017
// prints: 1.25
import { DateTime, Interval } from "luxon";

const time = DateTime.fromISO("2017-05-15T08:30:00", { zone: "America/New_York" });
console.log(time.minus({ weeks: 1 }).endOf("day").toISO());
console.log(time.setZone("Asia/Tokyo").toISO(), time.setLocale("fr").toLocaleString(DateTime.DATE_FULL));
console.log(Interval.fromDateTimes(time, time.plus({ hours: 30 })).length("days"));
