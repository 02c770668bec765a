-- A time as text: date, time, and a fraction without zeros at its end.
local function stamp(us, zone)
  local seconds = math.floor(us / 1000000)
  local days, second = math.floor(seconds / 86400), seconds % 86400
  -- Days since 1970 to a date (Howard Hinnant, "chrono-compatible low-level date algorithms").
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  local fraction = us - seconds * 1000000
  local text = fraction > 0 and string.gsub(string.format('.%06d', fraction), '0+$', '') or ''
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d', year, month, day,
    math.floor(second / 3600), math.floor(second / 60) % 60, second % 60) .. text .. zone
end

-- What clients of Celery see of a task: stored and published in one step.
local now_stamp
local function meta(t, status, result, done, traceback)
  if t.quiet then return end
  if done then now_stamp = now_stamp or '"' .. stamp(NOW, '+00:00') .. '"' end
  local text = '{"status": "' .. status .. '", "result": ' .. result .. ', "traceback": ' .. (traceback or 'null')
    .. ', "children": [], "date_done": ' .. (done and now_stamp or 'null')
    .. ', "task_id": ' .. cjson.encode(t.id) .. (t.meta or '') .. '}'
  redis.call('SETEX', 'celery-task-meta-' .. t.id, 86400, text)
  redis.call('PUBLISH', 'celery-task-meta-' .. t.id, text)
end

local function exception(kind, message)
  return '{"exc_type": "' .. kind .. '", "exc_message": [' .. cjson.encode(message) .. '], "exc_module": "celery.exceptions"}'
end

-- Whether what Celery's clients see of a task says that it has ended.
local function ended(text)
  local readable, said = pcall(cjson.decode, text)
  return readable and type(said) == 'table' and terminal(said.status)
end

