-- Counters in decimal text, called as LightCloud's client calls them.
--
-- incr(key, value): adds the number `value` to the record `key` and answers the sum. A missing record, and one that is
--   no number, counts as 0. Integers are exact, from -2^63 to 2^63 - 1; a fraction such as 0.5 has 14 digits.
-- Failures (code 1, nothing changed): a value that is no finite number; a sum outside of these limits.
-- What two masters add at the same time adds up.

-- A function of the node itself: it is carried out without Lua.
incr = _incr
