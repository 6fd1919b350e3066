-- One function for each limit of a call.
function time() while true do end end
function wait() _sleep(1000) end
function memory() local list = {} while true do list[#list + 1] = string.rep("x", 1000) .. #list end end
function double() local text = "x" while true do text = text .. text end end
function recurse() return 1 + recurse() end
function writes(key) while true do _put(key, "x") end end
function walk() while true do _foreach(function() return true end) end end
function nothing() return "nothing" end
