-- Takes up to `most` messages out of their lists and reserves them, in one step. Returns the tasks, each with so many fields as `count` says, the
-- first of them `sub`, after when to look for more, if that is known.
local _, _, worker, ttl, most, count = unpack(ARGV, 1, 16)
local last = 6 + count
local queues = {}
for i = last + 1, #ARGV do
  if redis.call('SISMEMBER', PAUSED, ARGV[i]) == 0 then table.insert(queues, ARGV[i]) end
end
expire()
for _, queue in ipairs(queues) do
  local ids = redis.call('ZRANGEBYSCORE', scheduled(queue), 0, NOW, 'LIMIT', 0, 1000)
  for i = #ids, 1, -1 do
    redis.call('ZREM', scheduled(queue), ids[i])
    local t = find(ids[i])
    if t then offer(t, nil, true) end
  end
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

-- Nobody can be told of what says not whose it is; it is kept for people to look at.
local function unreadable(message)
  redis.call('LPUSH', P .. 'unreadable', message)
  redis.call('LTRIM', P .. 'unreadable', 0, 999)
end

local function is_uuid(id)
  return type(id) == 'string' and string.match(id, '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$')
end

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
  return t
end

-- As workers of Celery's do it; the end of the line says that it was one of ours.
local function reserve(t, message, tag)
  redis.call('ZADD', 'unacked_index', int(math.floor(NOW / 1000000)), tag)
  redis.call('HSET', 'unacked', tag, '[' .. message .. ', "", ' .. cjson.encode(t.queue) .. ']\n')
end

-- A task as `find` has it, with what a claim needs besides.
local function read(id) return find(id, 'foreign', unpack(ARGV, 7, last)) end

-- What we have sent need not be taken apart: nobody else knows the tag that its record has. What stands between quotes can stand nowhere else in it.
local function ours(message)
  local _, before_id = string.find(message, '"id":"', 1, true)
  local _, before_tag = string.find(message, '"delivery_tag":"', before_id, true)
  if not before_id or not before_tag then return nil end
  local id = string.sub(message, before_id + 1, before_id + 36)
  local tag = string.sub(message, before_tag + 1, before_tag + 36)
  local t, values = read(id)
  if t and t.tag == tag and not values[15] then return id, tag, t, values end
end

local function take(queue, message)
  local id, tag, t, values = ours(message)
  if not id then
    local readable, envelope = pcall(cjson.decode, message)
    local headers, properties = nil, nil
    if readable and type(envelope) == 'table' then headers, properties = envelope.headers, envelope.properties end
    if type(headers) ~= 'table' or type(properties) ~= 'table' or type(properties.delivery_tag) ~= 'string' then
      return unreadable(message)
    end
    id, tag = headers.id, properties.delivery_tag
    if not is_uuid(id) then
      if type(id) ~= 'string' or #id > 512 then return unreadable(message) end
      return meta({ id = id }, 'FAILURE', exception('InvalidTaskError', 'the id of the task is no UUID'), true)
    end
    id = string.lower(id)
    t, values = read(id)
    if not t then
      t = adopt(id, queue, message, headers, properties)
      if is_revoked(id) then
        revoke(t, '{}', 'revoked')
        return
      elseif t.expires and tonumber(t.expires) <= NOW then
        revoke(t, '{"reason":"expired"}', 'expired')
        return
      elseif t.due and t.due > NOW then
        redis.call('ZADD', scheduled(queue), int(t.due), id)
        return
      end
      t, values = read(id)
    end
  end
  -- A message that was delivered twice, or whose reservation a worker of Celery's took back although the attempt may still run.
  if t.state ~= 'PENDING' or redis.call('ZSCORE', scheduled(t.queue), id) then
    if t.state == 'STARTED' and t.tag == tag and redis.call('HEXISTS', 'unacked', tag) == 0 then reserve(t, message, tag) end
    return
  end
  t.attempt = int(t.attempt + 1)
  change(t, 'STARTED', '{"attempt":' .. t.attempt .. ',"from_epoch":0}', 'attempt', t.attempt, 'started', NOW_TEXT,
    'worker', worker, 'tag', tag)
  redis.call('ZADD', running(t.queue), int(NOW + ttl), id)
  reserve(t, message, tag)
  meta(t, 'STARTED', '{"pid": null, "hostname": ' .. cjson.encode(worker) .. '}')
  local complete = values[16] and not values[15]
  return { id, t.seq, t.attempt, NOW_TEXT, complete and '' or message, unpack(values, 16, 15 + count) }
end

-- So many messages are looked at in one go; Redis has others to serve.
local left, taken = 500, {}
most = tonumber(most)
for _, step in ipairs(STEPS) do
  for _, queue in ipairs(queues) do
    while left > 0 and #taken < most do
      local message = redis.call('RPOP', queue .. step)
      if not message then break end
      left = left - 1
      -- One that is broken does not keep the others from it.
      local done, answer = pcall(take, queue, message)
      if done then taken[#taken + 1] = answer else unreadable(message) end
    end
  end
end
if #taken == most then return { 'ok', '', unpack(taken) } end
local next_due = left == 0 and NOW or nil
for _, queue in ipairs(queues) do
  local first = redis.call('ZRANGE', scheduled(queue), 0, 0, 'WITHSCORES')
  if first[2] then
    local due = type(first[2]) == 'string' and tonumber(first[2]) or first[2]
    next_due = math.min(next_due or due, due)
  end
end
return { 'ok', next_due and int(math.max(next_due - NOW, 0)) or '', unpack(taken) }
