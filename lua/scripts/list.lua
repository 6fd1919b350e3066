-- LightCloud's lists: one record for a list, its items each followed by ~, oldest first, none twice.
--
-- list_add(key, value): appends the items of `value` that are not in the list yet; answers ok. `key` is KEY or LIMIT|KEY;
--   the limit is 200 without. At LIMIT + 100 items the oldest are dropped, so that LIMIT are left; those that are being
--   added are never dropped.
-- list_remove(key, value): removes the items of `value`; answers ok. An empty list stays as an empty record.
-- Failures (code 1, nothing changed): a limit that is no whole number from 0 up, a limit without a key.
-- Each call takes time in proportion to the length of the list; fixedlist.lua does not.

local DEFAULT_LIMIT = 200
-- By how much a list may outgrow its limit before it is cut.
local SLACK = 100

-- The limit and the record that a key means.
local function parse(key)
  -- The client puts ll_ before its lists' names, which may have a | in them.
  if key:sub(1, 3) == "ll_" or not key:find("|", 1, true) then
    return DEFAULT_LIMIT, key
  end
  local limit, name = key:match("^([^|]*)|(.+)$")
  limit = tonumber(limit)
  if not limit or limit < 0 or limit >= 2^53 or limit % 1 ~= 0 then
    error("the key must be KEY or LIMIT|KEY, with a whole number as limit; for a KEY with a | in it write 200|KEY")
  end
  return limit, name
end

local function split(text)
  local items = {}
  for item in text:gmatch("[^~]+") do
    items[#items + 1] = item
  end
  return items
end

-- The items from number `from` on in the form in which they are stored.
local function join(items, from)
  return from > #items and "" or table.concat(items, "~", from) .. "~"
end

-- Those of `items` that `record` does not have.
local function missing(items, record)
  local new, seen = {}, {}
  for _, item in ipairs(items) do
    if not seen[item] and not record:find("~" .. item .. "~", 1, true) then
      seen[item] = true
      new[#new + 1] = item
    end
  end
  return new
end

local function add(name, limit, items)
  local record = _get(name) or ""
  if record ~= "" and record:sub(-1) ~= "~" then
    record = record .. "~"
  end
  local new = missing(items, "~" .. record)
  if #new == 0 then
    return "ok"
  end
  local _, count = record:gsub("[^~]+", "")
  if count + 1 + #new > limit + SLACK then
    record = join(split(record), count + #new - limit + 1)
    -- What was in the list until now may be among what is dropped.
    new = missing(items, "~" .. record)
  end
  return _put(name, record .. join(new, 1)) and "ok"
end

local function remove(name, items)
  local record = _get(name)
  if not record then
    return "ok"
  end
  local unwanted, kept = {}, {}
  for _, item in ipairs(items) do
    unwanted[item] = true
  end
  local old = split(record)
  for _, item in ipairs(old) do
    if not unwanted[item] then
      kept[#kept + 1] = item
    end
  end
  if #kept == #old then
    return "ok"
  end
  return _put(name, join(kept, 1)) and "ok"
end

function list_add(key, value)
  local limit, name = parse(key)
  return _atomic(name, add, name, limit, split(value))
end

function list_remove(key, value)
  local _, name = parse(key)
  return _atomic(name, remove, name, split(value))
end
