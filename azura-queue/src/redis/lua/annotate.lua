-- Sets labels, and removes those marked with an empty third part: key, value, whether to set.
local _, _, id = unpack(ARGV, 1, 16)
local labels, created = unpack(redis.call('HMGET', task(id), 'labels', 'created'))
if not created then return { 'missing' } end
labels = cjson.decode(labels)
for i = 4, #ARGV, 3 do
  local key, value, set = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if labels[key] then redis.call('ZREM', labelled(key, labels[key]), id) end
  if set ~= '' then
    labels[key] = value
    redis.call('ZADD', labelled(key, value), created, id)
  else
    labels[key] = nil
  end
end
local text = next(labels) and cjson.encode(labels) or '{}'
redis.call('HSET', task(id), 'labels', text)
tell(id)
return { 'ok', text }
