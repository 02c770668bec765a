-- Takes up to `most` messages out of their lists and reserves them, in one step. Returns the tasks, each with so many fields as `count` says, the
-- first of them `sub`, after when to look for more, if that is known, and how many messages were put aside.
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
    local headers, properties
    headers, properties, id = opened(message)
    if not headers then
      -- Whoever waits for it is told, if that can be seen.
      local named = string.match(message, '"id": ?"(' .. UUID .. ')"')
      if named then refuse(named, 'the message is not JSON as a message of Celery has it') end
      return unreadable(message)
    end
    tag = properties.delivery_tag
    if not is_uuid(id) then return refuse(id, 'the id of the task is no UUID') end
    if id ~= string.lower(id) then return refuse(id, 'the id of the task is not in lower case') end
    t, values = read(id)
    if not t then
      if not admit(id, queue, message, headers, properties) then return end
      t, values = read(id)
    end
  end
  -- A message that was delivered twice, or whose reservation a worker of Celery's took back although the attempt may still run.
  if t.state ~= 'PENDING' or redis.call('ZSCORE', scheduled(t.queue), id) then
    if t.state == 'STARTED' and t.tag == tag and redis.call('HEXISTS', 'unacked', tag) == 0 then reserve(t, message, tag) end
    return
  end
  t.attempt = int(t.attempt + 1)
  local from = redis.call('HGET', task(id), 'checkpoint') or '0'
  change(t, 'STARTED', '{"attempt":' .. t.attempt .. ',"from_epoch":' .. from .. '}', 'attempt', t.attempt, 'started', NOW_TEXT,
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
if #taken == most then return { 'ok', '', put_aside, unpack(taken) } end
local next_due = left == 0 and NOW or nil
for _, queue in ipairs(queues) do
  local first = redis.call('ZRANGE', scheduled(queue), 0, 0, 'WITHSCORES')
  if first[2] then
    local due = type(first[2]) == 'string' and tonumber(first[2]) or first[2]
    next_due = math.min(next_due or due, due)
  end
end
return { 'ok', next_due and int(math.max(next_due - NOW, 0)) or '', put_aside, unpack(taken) }
