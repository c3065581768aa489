// npm: date-fns@4.4.0
// prints: 02/11/2014 Monday, 3rd March
// prints: 3 months ago
// prints: false 2014-02-11T10:00:00.000Z
import { addDays, format, formatDistance, isValid, parseISO } from "date-fns";

const date = new Date(2014, 1, 11);
console.log(format(date, "MM/dd/yyyy"), format(addDays(date, 20), "EEEE, do MMMM"));
console.log(formatDistance(date, new Date(2014, 4, 1), { addSuffix: true }));
console.log(isValid(parseISO("2014-02-31")), parseISO("2014-02-11T10:00:00Z").toISOString());
