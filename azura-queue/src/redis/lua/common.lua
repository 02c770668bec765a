-- What every verb begins with. ARGV[1] is the prefix of our own keys, ARGV[2] how many seconds logs outlive their tasks (0: for ever).
-- Times are microseconds since 1970 by the clock of this server, and no other clock decides anything.
local P, LOG_TTL = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local NOW = clock[1] * 1000000 + clock[2]

-- Where things are. Lists of waiting messages, `unacked`, `unacked_index` and `celery-task-meta-*` are Celery's; all else is ours.
local function task(id) return P .. 'task:' .. id end
local function log(id) return P .. 'log:' .. id end
local function in_state(state) return P .. 'state:' .. state end
local function labelled(key, value) return P .. 'label:' .. #key .. ':' .. key .. '=' .. value end
local function scheduled(queue) return P .. 'scheduled:' .. queue end
local function running(queue) return P .. 'running:' .. queue end
local function dead(queue) return P .. 'dead:' .. queue end
local EXPIRING, QUEUES, PAUSED, NEWS = P .. 'expiring', P .. 'queues', P .. 'paused', P .. 'news'
-- Tasks that Celery's clients have revoked, by when that may be forgotten.
local REVOKED = P .. 'revoked'
local STEPS = { '', '\006\0223', '\006\0226', '\006\0229' }

local function list(queue, priority)
  return queue .. STEPS[math.floor(math.min(tonumber(priority), 9) / 3) + 1]
end

local function int(n) return string.format('%.0f', n) end

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

-- A time as clients of Celery write it; without a zone it is UTC.
local function moment(text)
  if type(text) ~= 'string' then return nil end
  local y, mo, d, h, mi, s, rest = string.match(text, '^(%d%d%d%d)-(%d%d)-(%d%d)[T ](%d%d):(%d%d):(%d%d)(.*)$')
  if not y then return nil end
  y, mo, d = tonumber(y), tonumber(mo), tonumber(d)
  local fraction, zone = string.match(rest, '^(%.?%d*)(.*)$')
  local sign, zh, zm = string.match(zone, '^([+-])(%d%d):?(%d%d)$')
  local offset = sign and (tonumber(zh) * 60 + tonumber(zm)) * (sign == '-' and -60 or 60) or 0
  local shifted = mo <= 2 and y - 1 or y
  local era = math.floor(shifted / 400)
  local yoe = shifted - era * 400
  local doy = math.floor((153 * (mo > 2 and mo - 3 or mo + 9) + 2) / 5) + d - 1
  local days = era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
  local seconds = days * 86400 + h * 3600 + mi * 60 + s - offset
  return seconds * 1000000 + math.floor((tonumber('0' .. fraction) or 0) * 1000000)
end

-- Wakes whoever waits for news of a task, or ('+') for one to claim.
local function tell(what) redis.call('PUBLISH', NEWS, what) end

-- What is known of a task: read once, and kept true.
local KNOWN = { 'state', 'queue', 'attempt', 'seq', 'created', 'priority', 'expires', 'key', 'hold', 'cancel', 'tag', 'newest', 'quiet', 'meta' }
local function find(id)
  local values = redis.call('HMGET', task(id), unpack(KNOWN))
  if not values[1] then return nil end
  local t = { id = id }
  for i, name in ipairs(KNOWN) do t[name] = values[i] end
  return t
end

-- Adds an event to the log. Whoever calls this writes down `seq`.
local function record(t, kind, attempt, details, at)
  t.seq = int((t.seq or 0) + 1)
  redis.call('XADD', log(t.id), t.seq .. '-0', 'k', kind, 'a', attempt, 'd', details, 't', at or int(NOW))
end

-- What clients of Celery see of a task: stored and published in one step.
local function meta(t, status, result, done, traceback)
  if t.quiet then return end
  local text = '{"status": "' .. status .. '", "result": ' .. result .. ', "traceback": ' .. (traceback or 'null')
    .. ', "children": [], "date_done": ' .. (done and '"' .. stamp(NOW, '+00:00') .. '"' or 'null')
    .. ', "task_id": ' .. cjson.encode(t.id) .. (t.meta or '') .. '}'
  redis.call('SETEX', 'celery-task-meta-' .. t.id, 86400, text)
  redis.call('PUBLISH', 'celery-task-meta-' .. t.id, text)
end

local function exception(kind, message)
  return '{"exc_type": "' .. kind .. '", "exc_message": [' .. cjson.encode(message) .. '], "exc_module": "celery.exceptions"}'
end

local function terminal(state) return state == 'SUCCESS' or state == 'FAILURE' or state == 'REVOKED' end

-- Whether what Celery's clients see of a task says that it has ended.
local function ended(text)
  local readable, said = pcall(cjson.decode, text)
  return readable and type(said) == 'table' and terminal(said.status)
end

-- The only place where a state changes, with its event, the indexes, and other fields that change with it.
local function change(t, to, details, ...)
  local from, gone = t.state, {}
  t.state = to
  if t.newest then gone[1], t.newest = 'newest', nil end
  record(t, to, t.attempt, details)
  if terminal(to) then
    redis.call('HSET', task(t.id), 'state', to, 'seq', t.seq, 'finished', int(NOW), ...)
    redis.call('HDEL', task(t.id), 'msg', 'tag', unpack(gone))
    if t.expires then redis.call('ZREM', EXPIRING, t.id) end
    if LOG_TTL > 0 then redis.call('EXPIRE', log(t.id), LOG_TTL) end
  else
    redis.call('HSET', task(t.id), 'state', to, 'seq', t.seq, ...)
    if gone[1] then redis.call('HDEL', task(t.id), gone[1]) end
  end
  redis.call('ZREM', in_state(from), t.id)
  redis.call('ZADD', in_state(to), t.created, t.id)
  if t.key and ((t.hold == 'queued' and to ~= 'PENDING') or (t.hold == 'running' and terminal(to)))
    and redis.call('GET', P .. 'key:' .. t.key) == t.id then
    redis.call('DEL', P .. 'key:' .. t.key)
  end
  tell(t.id)
end

-- Ends what a worker had of a task, but not the task.
local function unreserve(t)
  if t.tag then
    redis.call('ZREM', 'unacked_index', t.tag)
    redis.call('HDEL', 'unacked', t.tag)
  end
  redis.call('ZREM', running(t.queue), t.id)
end

-- Lets a waiting task be claimed when it is due; `first` puts it before the others.
local function offer(t, due, first, message)
  if due and tonumber(due) > NOW then
    redis.call('ZADD', scheduled(t.queue), due, t.id)
  else
    message = message or redis.call('HGET', task(t.id), 'msg')
    if not message then return end
    redis.call(first and 'RPUSH' or 'LPUSH', list(t.queue, t.priority), message)
  end
  tell('+')
end

local function revoke(t, details, why)
  change(t, 'REVOKED', details)
  meta(t, 'REVOKED', exception('TaskRevokedError', why), true)
  return 'REVOKED'
end

-- Takes a waiting task out of its queue. Tells whether it was there: a worker of Celery's takes a message and tells nobody.
local function withdraw(t)
  local there = redis.call('ZREM', scheduled(t.queue), t.id)
  local message = redis.call('HGET', task(t.id), 'msg')
  if message then there = there + redis.call('LREM', list(t.queue, t.priority), 1, message) end
  return there > 0
end

local function is_revoked(id)
  local till = redis.call('ZSCORE', REVOKED, id)
  return till and tonumber(till) > NOW
end

-- Back to the queue, unless somebody asked to cancel: then that is due now.
local function give_back(t, details, why, due)
  unreserve(t)
  if t.cancel then return revoke(t, '{}', 'terminated') end
  if is_revoked(t.id) then return revoke(t, '{}', 'revoked') end
  redis.call('HDEL', task(t.id), 'started', 'worker')
  if t.expires then redis.call('ZADD', EXPIRING, t.expires, t.id) end
  change(t, 'PENDING', details)
  meta(t, 'RETRY', exception('Retry', why))
  offer(t, due, true)
  return 'PENDING'
end

-- `error` is the failure as JSON; `result` what clients of Celery are to see.
local function fail(t, details, error, result, traceback, is_dead)
  unreserve(t)
  if is_dead then
    redis.call('HSET', task(t.id), 'dead', 1)
    redis.call('ZADD', dead(t.queue), t.created, t.id)
  end
  change(t, 'FAILURE', details, 'error', error)
  meta(t, 'FAILURE', result, true, traceback)
  return 'FAILURE'
end

-- The fence: a task whose lease still stands.
local function leased(id, attempt)
  local t = find(id)
  if t and t.state == 'STARTED' and t.attempt == attempt then return t end
end

-- Lets go what has waited for too long.
local function expire()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', EXPIRING, 0, NOW, 'LIMIT', 0, 100)) do
    redis.call('ZREM', EXPIRING, id)
    local t = find(id)
    -- What a worker of Celery's has taken does not wait any more.
    if t and t.state == 'PENDING' and withdraw(t) then revoke(t, '{"reason":"expired"}', 'expired') end
  end
end
