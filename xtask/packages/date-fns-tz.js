// npm: date-fns-tz@3.2.0
// npm: date-fns@4.4.0
// prints: 2014-10-25 06:46:20-04:00
// prints: 12:46 GMT+2
// prints: 2018-09-01T16:01:36.386Z
// prints: 19
import { formatInTimeZone, fromZonedTime, toZonedTime } from "date-fns-tz";

const date = new Date("2014-10-25T10:46:20Z");
console.log(formatInTimeZone(date, "America/New_York", "yyyy-MM-dd HH:mm:ssXXX"));
console.log(formatInTimeZone(date, "Europe/Berlin", "HH:mm zzz"));
console.log(fromZonedTime("2018-09-01 18:01:36.386", "Europe/Paris").toISOString());
console.log(toZonedTime(date, "Asia/Tokyo").getHours());
