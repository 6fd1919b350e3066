-- `table`: what C would do in one go with tables of any length is done in Lua here, where instructions are counted.
local tools = ...
local raw, integer, named, check = tools.raw, tools.integer, tools.named, tools.table
local error, type, select, next = raw.error, raw.type, raw.select, raw.next
local rawget, rawset = raw.rawget, raw.rawset
local floor = raw.math.floor
local insert0, remove0, concat0 = raw.table.insert, raw.table.remove, raw.table.concat
local pcall0, find, sub = raw.pcall, raw.string.find, raw.string.sub
local caught = tools.caught
local unpack0 = raw.unpack
local globals = tools.globals
local table = globals.table

-- What C may do in one go, in elements.
local FEW = 4096

-- Values that C's stack takes.
local MOST_RESULTS = 7900

-- In C the number of values overflows for some ranges, and its check with it.
function globals.unpack(t, first, last)
  check(t, "unpack")
  first = first == nil and 1 or integer(first, 2, "unpack")
  last = last == nil and #t or integer(last, 3, "unpack")
  if last - first >= MOST_RESULTS then error("too many results to unpack", 2) end
  return unpack0(t, first, last)
end

local concat_named = named("concat", concat0, 2)

function table.insert(t, ...)
  check(t, "insert")
  local count = select("#", ...)
  if count == 1 then return insert0(t, (...)) end
  if count ~= 2 then error("wrong number of arguments to 'insert'", 2) end
  local position, value = ...
  position = integer(position, 2, "insert")
  local last = #t + 1
  if last - position < FEW then return insert0(t, position, value) end
  for index = last, position + 1, -1 do
    rawset(t, index, rawget(t, index - 1))
  end
  rawset(t, position, value)
end

function table.remove(t, position)
  check(t, "remove")
  local last = #t
  position = position == nil and last or integer(position, 2, "remove")
  if last - position < FEW then return remove0(t, position) end
  if position < 1 then return end
  local removed = rawget(t, position)
  for index = position, last - 1 do
    rawset(t, index, rawget(t, index + 1))
  end
  rawset(t, last, nil)
  return removed
end

function table.concat(t, separator, first, last)
  check(t, "concat")
  if first ~= nil then first = integer(first, 3, "concat") else first = 1 end
  if last ~= nil then last = integer(last, 4, "concat") else last = #t end
  if last - first < FEW then
    local text = concat_named(t, separator, first, last)
    return text
  end
  local pieces, n = {}, 0
  for index = first, last, FEW do
    n = n + 1
    local to = index + FEW - 1
    pieces[n] = concat_named(t, separator, index, to < last and to or last)
  end
  -- As many pieces as there are after that, even of 2^32 elements, are not too many for C.
  local text = concat_named(pieces, separator)
  return text
end

function table.foreach(t, f)
  check(t, "foreach")
  if type(f) ~= "function" then
    error("bad argument #2 to 'foreach' (function expected, got " .. type(f) .. ")", 2)
  end
  for key, value in next, t do
    local answer = f(key, value)
    if answer ~= nil then return answer end
  end
end

function table.foreachi(t, f)
  check(t, "foreachi")
  if type(f) ~= "function" then
    error("bad argument #2 to 'foreachi' (function expected, got " .. type(f) .. ")", 2)
  end
  for index = 1, #t do
    local answer = f(index, rawget(t, index))
    if answer ~= nil then return answer end
  end
end

function table.getn(t)
  check(t, "getn")
  return #t
end

function table.setn(t)
  check(t, "setn")
  error("'setn' is obsolete", 2)
end

function table.maxn(t)
  check(t, "maxn")
  local most = 0
  for key in next, t do
    if type(key) == "number" and key > most then most = key end
  end
  return most
end

local function less(a, b)
  return a < b
end

-- Merges the sorted halves of from[low..high] into to[low..high].
local function merge(from, to, low, middle, high, before)
  local left, right = low, middle + 1
  for index = low, high do
    if right > high or left <= middle and not before(from[right], from[left]) then
      to[index] = from[left]
      left = left + 1
    else
      to[index] = from[right]
      right = right + 1
    end
  end
end

-- Sorts from[low..high] in runs of eight.
local function sort_runs(from, n, before)
  for low = 1, n, 8 do
    local high = low + 7
    if high > n then high = n end
    for index = low + 1, high do
      local value = from[index]
      local place = index
      while place > low and before(value, from[place - 1]) do
        from[place] = from[place - 1]
        place = place - 1
      end
      from[place] = value
    end
  end
end

-- By merging: never more than n log n comparisons, whatever the order function answers. The table is written at the
-- end, so that an error leaves it as it was.
local function sort(t, before)
  local n = #t
  local from, to = {}, {}
  for index = 1, n do
    from[index] = rawget(t, index)
  end
  sort_runs(from, n, before)
  local width = 8
  while width < n do
    for low = 1, n, 2 * width do
      local middle, high = low + width - 1, low + 2 * width - 1
      if middle > n then middle = n end
      if high > n then high = n end
      merge(from, to, low, middle, high, before)
    end
    from, to = to, from
    width = 2 * width
  end
  for index = 1, n do
    rawset(t, index, from[index])
  end
end

function table.sort(t, before)
  check(t, "sort")
  if before ~= nil then
    if type(before) ~= "function" then
      error("bad argument #2 to 'sort' (function expected, got " .. type(before) .. ")", 2)
    end
    sort(t, before)
    return
  end
  local ok, message = pcall0(sort, t, less)
  if ok then return end
  message = caught(message)
  if type(message) == "string" then
    -- Without the line of this file.
    local _, to = find(message, "^%[C%]:%d+: ")
    if to then message = sub(message, to + 1) end
  end
  error(message, 2)
end
