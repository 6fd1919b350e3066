-- Errors and coroutines: what catches an error raises it again where a limit of the call is reached, so that no
-- script goes on after one. Errors of the node reach scripts as text, like those of Lua's own functions.
local tools = ...
local raw, guard, plain, work, traceback = tools.raw, tools.guard, tools.plain, tools.work, tools.traceback
local pcall0, xpcall0, error, type, select = raw.pcall, raw.xpcall, raw.error, raw.type, raw.select
local find, sub = raw.string.find, raw.string.sub
local create0, resume0 = raw.coroutine.create, raw.coroutine.resume

-- A coroutine begins with a full count of instructions: without a price of its own, coroutines that make coroutines
-- would run for ever between two looks at the limits.
local COROUTINE = 5000

-- What a script is given of an error; does not return where a limit is reached.
local function caught(message)
  guard()
  if type(message) == "userdata" then return plain(message) end
  return message
end

local function settle(ok, ...)
  if ok then return true, ... end
  return false, caught((...))
end

local function pcall(f, ...)
  return settle(pcall0(f, ...))
end

-- The handler runs after the error has left the function: while a hook raises an error there are no further hooks,
-- and a handler without end would not be ended. The stack as it was is kept for `debug.traceback`.
local trace_of_error

local function handle(handler, message, trace)
  local before = trace_of_error
  trace_of_error = trace
  local ok, answer = pcall0(handler, message)
  trace_of_error = before
  if ok then return answer end
  guard()
  return "error in error handling"
end

local function xpcall(f, handler)
  local trace
  local function keep(message)
    trace = traceback()
    return message
  end
  local function settle_handled(ok, ...)
    if ok then return true, ... end
    return false, handle(handler, caught((...)), trace)
  end
  return settle_handled(xpcall0(f, keep))
end

local function traceback_of(message, ...)
  local thread
  if type(message) == "thread" then
    thread, message = message, ...
  end
  local kind = type(message)
  if message ~= nil and kind ~= "string" and kind ~= "number" then return message end
  local trace = thread and "stack traceback:" or trace_of_error or traceback()
  return message == nil and trace or message .. "\n" .. trace
end

-- The message of a function written in C, which does not know its name where it is called by `pcall`.
local function renamed(message, name)
  if type(message) ~= "string" then return message end
  local from, to = find(message, "'?'", 1, true)
  return from and sub(message, 1, from) .. name .. sub(message, to) or message
end

local function thread_of(f, name)
  if type(f) ~= "function" then
    error("bad argument #1 to '" .. name .. "' (Lua function expected)", 3)
  end
  work(COROUTINE)
  local ok, thread = pcall0(create0, f)
  if not ok then error(renamed(caught(thread), name), 3) end
  return thread
end

local function create(f)
  local thread = thread_of(f, "create")
  return thread
end

local function resume(thread, ...)
  if type(thread) ~= "thread" then
    error("bad argument #1 to 'resume' (coroutine expected)", 2)
  end
  return settle(resume0(thread, ...))
end

local function settle_wrapped(ok, ...)
  if ok then return ... end
  -- Above this are the tail call and whoever resumed.
  error(caught((...)), 3)
end

local function wrap(f)
  local thread = thread_of(f, "wrap")
  return function(...)
    return settle_wrapped(resume0(thread, ...))
  end
end

-- For the files after this one.

-- The number of a string, or the error of a function of Lua that was given something else.
function tools.text(value, index, name)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return value .. "" end
  error("bad argument #" .. index .. " to '" .. name .. "' (string expected, got " .. kind .. ")", 3)
end

function tools.integer(value, index, name)
  local number = raw.tonumber(value)
  if not number then
    error("bad argument #" .. index .. " to '" .. name .. "' (number expected, got " .. type(value) .. ")", 3)
  end
  if number ~= number then return 0 end
  if number > 2147483647 then return 2147483647 end
  if number < -2147483648 then return -2147483648 end
  return number >= 0 and raw.math.floor(number) or raw.math.ceil(number)
end

function tools.table(value, name)
  if type(value) ~= "table" then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(value) .. ")", 3)
  end
end

-- Calls a function written in C by the name that scripts know it by, and counts the work that its answer shows.
-- `level` is that of the script above the function that this returns.
function tools.named(name, f, level)
  local function settle_named(ok, ...)
    if ok then
      local answer = ...
      if type(answer) == "string" and #answer > 4096 then work(#answer * 4) end
      return ...
    end
    -- This function and the tail call of it are two levels.
    error(renamed(caught((...)), name), level + 2)
  end
  return function(...)
    return settle_named(pcall0(f, ...))
  end
end

tools.caught = caught

-- All functions of a thread but those that have an environment of their own look globals up in that of the thread, also
-- those of later calls: it stays.
local function setfenv(f, environment)
  if type(f) ~= "function" then
    f = tools.integer(f, 1, "setfenv")
    if f == 0 then error("'setfenv' cannot change the environment of a thread", 2) end
    -- Above this function and `pcall`.
    if f > 0 then f = f + 2 end
  end
  local ok, answer = pcall0(raw.setfenv, f, environment)
  if not ok then error(renamed(caught(answer), "setfenv"), 2) end
  return answer
end

local globals = tools.globals
globals.pcall, globals.xpcall, globals.setfenv = pcall, xpcall, setfenv
globals.coroutine.create, globals.coroutine.resume, globals.coroutine.wrap = create, resume, wrap
globals.debug = { traceback = traceback_of }
