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

-- Adds an event to the log. It is newer than the transient one, which goes.
local function record(id, kind, attempt, details, at)
  local seq = redis.call('HINCRBY', task(id), 'seq', 1)
  redis.call('XADD', log(id), seq .. '-0', 'k', kind, 'a', attempt, 'd', details, 't', at or int(NOW))
  redis.call('HDEL', task(id), 'newest')
  return seq
end

-- What clients of Celery see of a task: stored and published in one step.
local function meta(id, status, result, done, traceback)
  local quiet, more = unpack(redis.call('HMGET', task(id), 'quiet', 'meta'))
  if quiet then return end
  local text = '{"status": "' .. status .. '", "result": ' .. result .. ', "traceback": ' .. (traceback or 'null')
    .. ', "children": [], "date_done": ' .. (done and '"' .. stamp(NOW, '+00:00') .. '"' or 'null')
    .. ', "task_id": ' .. cjson.encode(id) .. (more or '') .. '}'
  redis.call('SETEX', 'celery-task-meta-' .. id, 86400, text)
  redis.call('PUBLISH', 'celery-task-meta-' .. id, text)
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

-- The only place where a state changes, with its event and the indexes.
local function change(id, from, to, details)
  local created, attempt, key, hold = unpack(redis.call('HMGET', task(id), 'created', 'attempt', 'key', 'hold'))
  redis.call('HSET', task(id), 'state', to)
  redis.call('ZREM', in_state(from), id)
  redis.call('ZADD', in_state(to), created, id)
  if key and ((hold == 'queued' and to ~= 'PENDING') or (hold == 'running' and terminal(to)))
    and redis.call('GET', P .. 'key:' .. key) == id then
    redis.call('DEL', P .. 'key:' .. key)
  end
  if terminal(to) then
    redis.call('HSET', task(id), 'finished', int(NOW))
    redis.call('HDEL', task(id), 'msg', 'tag')
    redis.call('ZREM', EXPIRING, id)
  end
  local seq = record(id, to, attempt, details)
  if terminal(to) and LOG_TTL > 0 then redis.call('EXPIRE', log(id), LOG_TTL) end
  tell(id)
  return seq
end

-- Ends what a worker had of a task, but not the task.
local function unreserve(id, queue)
  local tag = redis.call('HGET', task(id), 'tag')
  if tag then
    redis.call('ZREM', 'unacked_index', tag)
    redis.call('HDEL', 'unacked', tag)
  end
  redis.call('ZREM', running(queue), id)
end

-- Lets a waiting task be claimed when it is due; `first` puts it before the others.
local function offer(id, queue, due, first)
  if due and tonumber(due) > NOW then
    redis.call('ZADD', scheduled(queue), due, id)
  else
    local message, priority = unpack(redis.call('HMGET', task(id), 'msg', 'priority'))
    if not message then return end
    redis.call(first and 'RPUSH' or 'LPUSH', list(queue, priority), message)
  end
  tell('+')
end

local function revoke(id, from, details, why)
  change(id, from, 'REVOKED', details)
  meta(id, 'REVOKED', exception('TaskRevokedError', why), true)
  return 'REVOKED'
end

-- Takes a waiting task out of its queue. Tells whether it was there: a worker of Celery's takes a message and tells nobody.
local function withdraw(id)
  local queue, priority, message = unpack(redis.call('HMGET', task(id), 'queue', 'priority', 'msg'))
  local there = redis.call('ZREM', scheduled(queue), id)
  if message then there = there + redis.call('LREM', list(queue, priority), 1, message) end
  return there > 0
end

local function is_revoked(id)
  local till = redis.call('ZSCORE', REVOKED, id)
  return till and tonumber(till) > NOW
end

-- Back to the queue, unless somebody asked to cancel: then that is due now.
local function give_back(id, queue, details, why, due)
  unreserve(id, queue)
  if redis.call('HGET', task(id), 'cancel') then return revoke(id, 'STARTED', '{}', 'terminated') end
  if is_revoked(id) then return revoke(id, 'STARTED', '{}', 'revoked') end
  redis.call('HDEL', task(id), 'started', 'worker')
  local expires = redis.call('HGET', task(id), 'expires')
  if expires then redis.call('ZADD', EXPIRING, expires, id) end
  change(id, 'STARTED', 'PENDING', details)
  meta(id, 'RETRY', exception('Retry', why))
  offer(id, queue, due, true)
  return 'PENDING'
end

-- `error` is the failure as JSON; `result` what clients of Celery are to see.
local function fail(id, queue, details, error, result, traceback, is_dead)
  unreserve(id, queue)
  redis.call('HSET', task(id), 'error', error)
  if is_dead then
    redis.call('HSET', task(id), 'dead', 1)
    redis.call('ZADD', dead(queue), redis.call('HGET', task(id), 'created'), id)
  end
  change(id, 'STARTED', 'FAILURE', details)
  meta(id, 'FAILURE', result, true, traceback)
  return 'FAILURE'
end

-- The fence: the queue of a task whose lease still stands, and whether somebody asked to cancel.
local function leased(id, attempt)
  local state, current, queue, cancel = unpack(redis.call('HMGET', task(id), 'state', 'attempt', 'queue', 'cancel'))
  if state == 'STARTED' and current == attempt then return queue, cancel end
end

-- Lets go what has waited for too long.
local function expire()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', EXPIRING, 0, NOW, 'LIMIT', 0, 100)) do
    redis.call('ZREM', EXPIRING, id)
    if redis.call('HGET', task(id), 'state') == 'PENDING' then
      -- What a worker of Celery's has taken does not wait any more.
      if withdraw(id) then revoke(id, 'PENDING', '{"reason":"expired"}', 'expired') end
    end
  end
end
