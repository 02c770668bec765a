-- What others have sent.

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

-- What says not whose it is, or not what is to be done, is kept for people to look at.
local put_aside = 0
local function unreadable(message)
  put_aside = put_aside + 1
  redis.call('LPUSH', P .. 'unreadable', message)
  redis.call('LTRIM', P .. 'unreadable', 0, 999)
end

local HEX = '%x%x%x%x'
local UUID = HEX .. HEX .. '%-' .. HEX .. '%-' .. HEX .. '%-' .. HEX .. '%-' .. HEX .. HEX .. HEX
local function is_uuid(id) return string.match(id, '^' .. UUID .. '$') end

-- Tells whoever waits for a task that it will not be done.
local function refuse(id, why) meta({ id = id }, 'FAILURE', exception('InvalidTaskError', why), true) end

-- Records a task that somebody else has sent.
local function adopt(id, queue, message, headers, properties)
  local created = NOW_TEXT
  local name = type(headers.task) == 'string' and headers.task or ''
  local priority = int(math.max(0, math.min(9, math.floor(tonumber(properties.priority) or 0))))
  local t = { id = id, state = 'PENDING', queue = queue, attempt = '0', created = created, priority = priority }
  record(t, 'PENDING', 0, '{}', created)
  redis.call('HSET', task(id), 'state', 'PENDING', 'attempt', 0, 'lost', 0, 'failures', 0, 'seq', t.seq, 'name', name,
    'queue', queue, 'priority', priority, 'created', created, 'labels', '{}', 'msg', message)
  if headers.ignore_result == true then
    t.quiet = '1'
    redis.call('HSET', task(id), 'quiet', t.quiet)
  end
  for header, member in pairs({ parent_id = 'parent_id', group = 'group_id' }) do
    if type(headers[header]) == 'string' then
      t.meta = (t.meta or '') .. ', "' .. member .. '": ' .. cjson.encode(headers[header])
    end
  end
  if t.meta then redis.call('HSET', task(id), 'meta', t.meta) end
  local due, expires = moment(headers.eta), moment(headers.expires)
  -- The last moment that a record can hold.
  if due then
    t.due = math.max(0, math.min(due, 253402207199999999))
    redis.call('HSET', task(id), 'due', int(t.due))
  end
  if expires then
    t.expires = int(expires)
    redis.call('HSET', task(id), 'expires', t.expires)
    redis.call('ZADD', EXPIRING, t.expires, id)
  end
  redis.call('ZADD', P .. 'order', created, id)
  redis.call('ZADD', P .. 'name:' .. name, created, id)
  redis.call('ZADD', in_state('PENDING'), created, id)
  redis.call('SADD', QUEUES, queue)
  tell(id)
  return t
end

-- Records it, and returns it if it may be done now: the others are revoked, or wait for their time.
local function admit(id, queue, message, headers, properties)
  local t = adopt(id, queue, message, headers, properties)
  if is_revoked(id) then
    revoke(t, '{}', 'revoked')
  elseif t.expires and tonumber(t.expires) <= NOW then
    revoke(t, '{"reason":"expired"}', 'expired')
  elseif t.due and t.due > NOW then
    redis.call('ZADD', scheduled(queue), int(t.due), id)
  else
    return t
  end
end

-- The headers and properties of a message, and its id, if it has them.
local function opened(message)
  local readable, envelope = pcall(cjson.decode, message)
  if not readable or type(envelope) ~= 'table' then return nil end
  local headers, properties = envelope.headers, envelope.properties
  if type(headers) ~= 'table' or type(properties) ~= 'table' or type(properties.delivery_tag) ~= 'string' then return nil end
  if type(headers.id) ~= 'string' or #headers.id > 512 then return nil end
  return headers, properties, headers.id
end
